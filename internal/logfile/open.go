// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logfile

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

// namesOf returns the names that a segment can have: the one that was listed, and those of its
// other forms. It gets a new one before it loses the old one.
func namesOf(f segment.File) []segment.Name {
	names := []segment.Name{f.Parsed}
	for _, c := range []compression.Method{compression.None, compression.Zstd, compression.Gzip} {
		name := f.Parsed
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
// listed, from an offset in its content on: of a plain file Size bytes, all of it if Size is
// negative. Reader.Line counts from the offset. The error wraps [fs.ErrNotExist] if the segment
// has been deleted. Reading ends with the context.
func Open(ctx context.Context, fsys fs.FS, f segment.File, offset int64) (*Reader, error) {
	var gone error
	for _, name := range namesOf(f) {
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
		r, err := read(ctx, file, name, f, offset)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read %s: %w", name, err), file.Close())
		}
		return r, nil
	}
	return nil, gone
}

// read prepares the reading of a file that has been opened.
func read(ctx context.Context, file fs.File, name segment.Name, f segment.File, offset int64) (*Reader, error) {
	content, err := compression.NewReader(ctxread.New(ctx, file), name.Compression)
	if err != nil {
		return nil, err
	}
	if err := skip(file, content, name, offset); err != nil {
		return nil, errors.Join(err, content.Close())
	}
	var lines io.Reader = content
	if f.Size >= 0 && f.Parsed.Compression == compression.None {
		lines = io.LimitReader(content, f.Size-offset)
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
