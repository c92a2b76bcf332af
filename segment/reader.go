// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

var errLongHeader = fmt.Errorf("the line has more than the %d bytes that a header may have", maxHeaderBytes)

// A Reader's buffer is small at first, because most that is read is: headers, and what has
// been added to a segment. It grows fourfold, to readBufferBytes as long as the source fills
// it, and beyond that for a line that does not fit, to what the longest line and its LF take.
const (
	firstBufferBytes = 4 << 10
	readBufferBytes  = 256 << 10
	mostBufferBytes  = segline.MaxBytes + 1
)

// Reader reads a segment line by line, compressed or not, in memory that its
// longest line bounds. It is for one goroutine at a time. It has to be closed.
type Reader struct {
	name   string
	file   fs.File
	src    io.ReadCloser
	buf    []byte
	start  int // first byte of buf not yet returned
	end    int // behind the last byte of buf read
	line   int
	offset int64 // of buf[start] in the content
	err    error
}

// Open opens the segment file called name at the root of fsys. Only regular
// files are opened, and none is followed through a link. Of a plain segment
// the first size bytes are read, so that one being written can be read up to
// where it was when it was listed; size < 0 reads all. A compressed segment is
// always read whole. The error wraps [fs.ErrNotExist] if the file has been
// deleted, or compressed since it was listed.
func Open(fsys fs.FS, name string, size int64) (*Reader, error) {
	parsed, err := ParseName(name)
	if err != nil {
		return nil, err
	}
	file, err := rootfs.OpenRegular(fsys, name)
	if err != nil {
		return nil, err
	}
	var plain io.Reader = file
	if size >= 0 && parsed.Compression == compression.None {
		plain = io.LimitReader(file, size)
	}
	src, err := compression.NewReader(plain, parsed.Compression)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return &Reader{name: name, file: file, src: src}, nil
}

// NewReader reads the lines of a plain segment from src; name is for errors.
// Closing the Reader does not close src.
func NewReader(src io.Reader, name string) *Reader {
	return &Reader{name: name, src: io.NopCloser(src)}
}

// Next returns the next line without its LF. The bytes are valid until the next call. At the
// end the error is io.EOF. If the last line has no LF, because it is being written or a crash
// has cut it off, Next returns its bytes together with an error; no other error comes with
// bytes. It is an error, after which reading cannot go on, if a line is longer than 32 MiB, or
// if compressed content is damaged or not of the one form that docs/format.md, section 2,
// allows.
func (r *Reader) Next() ([]byte, error) { return r.next(segline.MaxBytes, segline.ErrTooLong) }

// NextHeader is Next where only a header is wanted: a line that is longer than any header
// is not read whole.
func (r *Reader) NextHeader() ([]byte, error) { return r.next(maxHeaderBytes, errLongHeader) }

func (r *Reader) next(most int, tooLong error) ([]byte, error) {
	scanned := r.start
	for {
		if i := bytes.IndexByte(r.buf[scanned:r.end], '\n'); i >= 0 {
			line := r.buf[r.start : scanned+i]
			if len(line) > most {
				return nil, r.fail(tooLong)
			}
			r.advance(len(line) + 1)
			return line, nil
		}
		if r.end-r.start > most {
			return nil, r.fail(tooLong)
		}
		if r.err != nil {
			return r.rest()
		}
		scanned = r.end - r.start
		r.fill()
		scanned += r.start
	}
}

// rest returns what is left when the source has ended.
func (r *Reader) rest() ([]byte, error) {
	if r.err != io.EOF {
		return nil, fmt.Errorf("read %s: %w", r.name, r.err)
	}
	if r.start == r.end {
		return nil, io.EOF
	}
	line := r.buf[r.start:r.end]
	r.advance(len(line))
	return line, fmt.Errorf("read %s: %w", r.name, segline.ErrPartial)
}

func (r *Reader) fail(err error) error {
	r.err = err
	r.line++
	r.start = r.end
	return fmt.Errorf("read %s: line %d: %w", r.name, r.line, err)
}

func (r *Reader) advance(n int) {
	r.line++
	r.offset += int64(n)
	r.start += n
}

// fill makes room and reads once.
func (r *Reader) fill() {
	room, rest := r.buf, r.buf[r.start:r.end]
	if r.end == len(r.buf) && (r.start == 0 || len(r.buf) < readBufferBytes) {
		room = make([]byte, min(max(4*len(r.buf), firstBufferBytes), mostBufferBytes))
	}
	r.start, r.end = 0, copy(room, rest)
	r.buf = room
	// A source may return nothing without an error a few times, not for ever.
	for range 100 {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		if err != nil {
			r.err = err
			return
		}
		if n > 0 {
			return
		}
	}
	r.err = io.ErrNoProgress
}

// Line returns the number of the line that Next returned last, counted from 1.
func (r *Reader) Line() int { return r.line }

// End returns the offset, in the uncompressed content, after the line that
// Next returned last, its LF included.
func (r *Reader) End() int64 { return r.offset }

// Close closes the file.
func (r *Reader) Close() error {
	r.buf, r.start, r.end, r.err = nil, 0, 0, fs.ErrClosed
	err := r.src.Close()
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
	}
	if err != nil {
		return fmt.Errorf("close %s: %w", r.name, err)
	}
	return nil
}
