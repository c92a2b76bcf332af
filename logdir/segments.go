// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/ctxread"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Segment is a segment of a log, as the directory was listed.
type Segment struct {
	// File is the form that is read. Of two, which a crash or a compression that is under way
	// leaves, it is the plain one. Of a plain one Size bytes are read; all, if it is negative.
	segment.File
	// Others are further files that begin with the same leaf.
	Others []segment.File
}

// Begin returns the index of the segment's first leaf, which is its header.
func (s Segment) Begin() uint64 { return s.Parsed.FirstIndex }

// Segments lists the segments of the log in the root of fsys, the oldest first.
func Segments(fsys fs.FS) ([]Segment, error) {
	l, err := segment.List(fsys)
	if err != nil {
		return nil, err
	}
	return segmentsOf(l), nil
}

// segmentsOf returns the segments of a directory that has been listed.
func segmentsOf(l segment.Listing) (all []Segment) {
	for _, f := range l.Segments { // of files with the same index the plain one comes first
		if n := len(all); n > 0 && all[n-1].Begin() == f.Parsed.FirstIndex {
			all[n-1].Others = append(all[n-1].Others, f)
		} else {
			all = append(all, Segment{File: f})
		}
	}
	return all
}

// names returns the names that the segment can have: the one that was listed, and those of its
// other forms. It gets a new one before it loses the old one.
func (s Segment) names() []segment.Name {
	names := []segment.Name{s.Parsed}
	for _, c := range []compression.Method{compression.None, compression.Zstd, compression.Gzip} {
		name := s.Parsed
		name.Compression = c
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Reader reads the lines of a segment.
type Reader struct {
	*segment.Reader
	name    segment.Name
	file    fs.File
	content io.Closer
	begin   int64 // where in the content it began
}

// Open opens a segment in whichever form it has by now, and reads what it held when it was
// listed. The error wraps [fs.ErrNotExist] if it has been deleted. Reading ends with the
// context.
func Open(ctx context.Context, fsys fs.FS, s Segment) (*Reader, error) {
	return OpenAt(ctx, fsys, s, 0)
}

// OpenAt is Open from an offset in the content on. Reader.Line counts from there.
func OpenAt(ctx context.Context, fsys fs.FS, s Segment, offset int64) (*Reader, error) {
	var gone error
	for _, name := range s.names() {
		file, err := rootfs.OpenRegular(fsys, name.String())
		if errors.Is(err, fs.ErrNotExist) {
			if gone == nil {
				gone = err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		r, err := read(ctx, file, name, s, offset)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read %s: %w", name, err), file.Close())
		}
		return r, nil
	}
	return nil, gone
}

// read prepares the reading of a file that has been opened.
func read(ctx context.Context, file fs.File, name segment.Name, s Segment, offset int64) (*Reader, error) {
	content, err := compression.NewReader(ctxread.New(ctx, file), name.Compression)
	if err != nil {
		return nil, err
	}
	if err := skip(file, content, name, offset); err != nil {
		return nil, errors.Join(err, content.Close())
	}
	var lines io.Reader = content
	if s.Size >= 0 && s.Parsed.Compression == compression.None {
		lines = io.LimitReader(content, s.Size-offset)
	}
	return &Reader{Reader: segment.NewReader(lines, name.String()), name: name, file: file, content: content, begin: offset}, nil
}

// skip passes over the first bytes of a segment's content.
func skip(file fs.File, content io.Reader, name segment.Name, offset int64) error {
	if offset == 0 {
		return nil
	}
	if seeker, ok := file.(io.Seeker); ok && name.Compression == compression.None {
		_, err := seeker.Seek(offset, io.SeekStart)
		return err
	}
	if _, err := io.CopyN(io.Discard, content, offset); err != nil && err != io.EOF {
		return err
	}
	return nil
}

// Name returns the name of the file that is read.
func (r *Reader) Name() segment.Name { return r.name }

// End returns the offset in the content after the line that Next returned last.
func (r *Reader) End() int64 { return r.begin + r.Reader.End() }

// Close closes the file.
func (r *Reader) Close() error {
	if err := errors.Join(r.Reader.Close(), r.content.Close(), r.file.Close()); err != nil {
		return fmt.Errorf("close %s: %w", r.name, err)
	}
	return nil
}

// maxTries bounds how often in a row a log may change while it is being read.
const maxTries = 5

// Retry calls read until it does not fail because a file has gone: what read has listed may be
// deleted before it is read. After the fifth time the last error is returned.
func Retry(ctx context.Context, read func() error) error {
	for try := 1; ; try++ {
		err := read()
		if !errors.Is(err, fs.ErrNotExist) || try == maxTries {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
