// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

// tailBytes is how much of a segment's end is looked at first for its last checkpoint,
// which it almost always holds.
const tailBytes = 64 << 10

// committedEnd returns the offset, in a segment's content, after its last checkpoint: no
// line from there on was ever acknowledged.
func committedEnd(fsys fs.FS, f segment.File) (int64, error) {
	if f.Parsed.Compression == segment.None && f.Size > tailBytes {
		r, err := segment.OpenAt(fsys, f.Name, f.Size-tailBytes, f.Size)
		if err != nil {
			return 0, err
		}
		if _, err := r.Next(); err == nil { // the rest of a line
			if end, err := lastCheckpointEnd(r); err != nil || end > 0 {
				return end, err
			}
		} else if err := r.Close(); err != nil {
			return 0, err
		}
	}
	open := func() (*segment.Reader, error) { return segment.OpenAt(fsys, f.Name, 0, f.Size) }
	if f.Parsed.Compression != segment.None {
		open = func() (*segment.Reader, error) { return segment.Open(fsys, f.Name, f.Size) }
	}
	r, err := open()
	if err != nil {
		return 0, err
	}
	return lastCheckpointEnd(r)
}

// lastCheckpointEnd reads a segment to its end, and closes it. It returns the offset after
// the last checkpoint line, 0 if there is none.
func lastCheckpointEnd(r *segment.Reader) (end int64, err error) {
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		line, err := r.Next()
		switch {
		case err == io.EOF || errors.Is(err, segment.ErrPartialLine):
			return end, nil
		case err != nil:
			return end, err
		case segment.KindOf(line) == segment.KindCheckpoint:
			end = r.End()
		}
	}
}
