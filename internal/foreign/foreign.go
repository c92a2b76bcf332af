// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package foreign reads segments that somebody has compressed by hand, so that these can be told
// from segments that were changed (docs/format.md, section 2). [Open] opens any segment, and is how
// the verifier opens all.
package foreign

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// ParseName parses the name of a segment with the suffix of a compressor that this format does
// not have.
func ParseName(s string) (segment.Name, error) {
	stem, ok := compression.CutForeignSuffix(s)
	if !ok {
		return segment.Name{}, fmt.Errorf("%q does not end like a compressed file", s)
	}
	n, err := segment.ParseName(stem)
	if err == nil && n.Compression != compression.None {
		err = fmt.Errorf("%q is compressed twice", s)
	}
	n.Compression = compression.Foreign
	return n, err
}

// Reader reads a segment whatever way gzip or zstd were used on it, as long as that takes no
// more memory than [segment.Open] does.
type Reader struct {
	*segment.Reader
	name    string
	file    fs.File
	content io.Closer
	how     func() string
}

// Open is [segment.Open] for a segment that somebody may have compressed. The error wraps
// [compression.ErrForeign] if another compressor was used, or if reading needs a larger window
// than the format allows, or a dictionary.
func Open(fsys fs.FS, name string, size int64) (*Reader, error) {
	parsed, err := segment.ParseName(name)
	if err == nil && parsed.Compression == compression.None {
		r, err := segment.Open(fsys, name, size)
		if err != nil {
			return nil, err
		}
		return &Reader{Reader: r, how: func() string { return "" }}, nil
	}
	if err != nil {
		if parsed, err = ParseName(name); err != nil {
			return nil, err
		}
	}
	file, err := rootfs.OpenRegular(fsys, name)
	if err != nil {
		return nil, err
	}
	content, how, err := compression.NewForeignReader(file, parsed.Compression)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return &Reader{Reader: segment.NewReader(content, name), name: name, file: file, content: content, how: how}, nil
}

// Foreign says in what the file is not of the form that the format demands, or "". It is known
// when the file has been read to its end.
func (r *Reader) Foreign() string { return r.how() }

// Close closes the file.
func (r *Reader) Close() error {
	if r.file == nil {
		return r.Reader.Close()
	}
	if err := errors.Join(r.Reader.Close(), r.content.Close(), r.file.Close()); err != nil {
		return fmt.Errorf("close %s: %w", r.name, err)
	}
	return nil
}
