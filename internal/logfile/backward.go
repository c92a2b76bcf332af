// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// backwardBytes is how much is read at a time, at least.
const backwardBytes = 256 << 10

// BackwardReader reads the lines of a plain segment from its end, in few, large reads, in memory
// that its longest line bounds. It is for one goroutine at a time.
type BackwardReader struct {
	ctx  context.Context
	file fs.File
	src  io.ReaderAt
	name string
	at   int64  // what is before it in the file has not been read
	buf  []byte // what follows, up to the line that was returned last
	// begun says that what follows the last LF has been passed over.
	begun bool
}

// OpenBackward opens a plain segment, to read what it held when it was listed. The error wraps
// [errors.ErrUnsupported] if it is compressed, or if its file system reads from the beginning only.
func OpenBackward(ctx context.Context, fsys fs.FS, f segment.File) (*BackwardReader, error) {
	if f.Parsed.Compression != compression.None {
		return nil, fmt.Errorf("read %s from its end: %w: it is compressed", f.Name, errors.ErrUnsupported)
	}
	file, err := rootfs.OpenRegular(fsys, f.Name)
	if err != nil {
		return nil, err
	}
	src, ok := file.(io.ReaderAt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("read %s from its end: %w by its file system", f.Name, errors.ErrUnsupported), file.Close())
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", f.Name, err), file.Close())
	}
	r := &BackwardReader{ctx: ctx, file: file, src: src, name: f.Name, at: info.Size()}
	if f.Size >= 0 {
		r.at = min(r.at, f.Size)
	}
	return r, nil
}

// Close closes the file.
func (r *BackwardReader) Close() error { return r.file.Close() }

// Previous returns the line before the one that it returned last, at first the last whole one,
// without its LF, and the offset after it. The bytes are valid until the next call. At the
// beginning the error is io.EOF. It wraps [segline.ErrTooLong] if the line, or what follows
// the last whole one, is longer than any may be: then reading cannot go on.
func (r *BackwardReader) Previous() (line []byte, end int64, err error) {
	if !r.begun {
		// What has no LF is no line, as a writer leaves it that is writing or was killed.
		if _, err := r.cut(0); err != nil {
			return nil, 0, err
		}
		r.begun = true
	}
	if end = r.at + int64(len(r.buf)); end == 0 {
		return nil, 0, io.EOF
	}
	if line, err = r.cut(1); err != nil {
		return nil, 0, err
	}
	return line[:len(line)-1], end, nil
}

// cut cuts from buf what follows its last LF, the LF at its very end not counted if lf is 1.
func (r *BackwardReader) cut(lf int) (line []byte, err error) {
	search := r.buf[:len(r.buf)-lf]
	for {
		if i := bytes.LastIndexByte(search, '\n'); i >= 0 || r.at == 0 {
			if len(r.buf)-i-1-lf > segline.MaxBytes {
				break
			}
			line, r.buf = r.buf[i+1:], r.buf[:i+1]
			return line, nil
		}
		if len(r.buf)-lf > segline.MaxBytes {
			break
		}
		n := int(min(r.at, int64(max(backwardBytes, min(len(r.buf), segline.MaxBytes+2-len(r.buf))))))
		more := make([]byte, n, n+len(r.buf))
		if err := r.read(more, r.at-int64(n)); err != nil {
			return nil, err
		}
		r.buf = append(more, r.buf...)
		r.at -= int64(n)
		search = more
	}
	return nil, fmt.Errorf("read %s from its end: %w", r.name, segline.ErrTooLong)
}

// read fills p from an offset on.
func (r *BackwardReader) read(p []byte, at int64) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if n, err := r.src.ReadAt(p, at); n < len(p) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // it has been cut off since
		}
		return fmt.Errorf("read %s from byte %d on: %w", r.name, at, err)
	}
	return nil
}
