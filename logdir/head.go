// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Head is what the first lines of a segment hold ([segment.HeadLines]).
type Head struct {
	Header segment.Header
	// Leaf is the leaf hash of the header.
	Leaf merkle.Hash
	// Events are the event lines after the header, as they stand: there the log says that it
	// has changed its key, and what the segment before held.
	Events [][]byte
}

// ReadHead reads the head of a segment, which may have been begun and hold nothing yet: then
// the error wraps [segment.ErrPartialLine]. If it wraps [segment.ErrNewer], the head is there
// as far as this version knows it.
func ReadHead(ctx context.Context, fsys fs.FS, s Segment) (h Head, err error) {
	r, err := Open(ctx, fsys, s)
	if err != nil {
		return h, err
	}
	defer r.Close()
	line, err := r.NextHeader()
	if err == io.EOF {
		err = segment.ErrPartialLine
	}
	if err == nil {
		h.Leaf = merkle.LeafHash(line)
		h.Header, err = segment.ParseHeader(line)
	}
	if err != nil && !errors.Is(err, segment.ErrNewer) {
		return Head{}, fmt.Errorf("read the header of %s: %w", r.Name(), err)
	}
	newer := err
	for range segment.HeadLines - 1 {
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segment.ErrPartialLine) {
			break
		}
		if err != nil {
			return h, fmt.Errorf("read the head of %s: %w", r.Name(), err)
		}
		if segment.KindOf(line) == segment.KindEvent {
			h.Events = append(h.Events, bytes.Clone(line))
		}
	}
	if newer != nil {
		return h, fmt.Errorf("read the header of %s: %w", r.Name(), newer)
	}
	return h, nil
}
