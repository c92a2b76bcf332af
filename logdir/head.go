// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Head is what the first lines of a segment hold (docs/format.md, section 6.4;
// [logevent.HeadLines]). No signature has been checked.
type Head struct {
	Header segment.Header
	// Leaf is the leaf hash of the header (RFC 6962, section 2.1).
	Leaf merkle.Hash
	// KeyChanged is where the log says that the segment is signed with another key than the one
	// before, and Rotated what the one before held; nil if it does not say so, or if the event
	// is malformed or on another line than the one where it belongs.
	KeyChanged, Rotated *logevent.Event
}

// ReadHead reads the head of a segment, which may have been begun and hold nothing yet: then
// the error wraps [segline.ErrPartial]. If it wraps [segment.ErrNewer], the head is there
// as far as this version knows it. The log may be in use.
func ReadHead(ctx context.Context, fsys fs.FS, s Segment) (h Head, err error) {
	r, err := logfile.Open(ctx, fsys, s.File, 0)
	if err != nil {
		return h, err
	}
	defer r.Close()
	line, err := r.NextHeader()
	if err == io.EOF {
		err = segline.ErrPartial
	}
	if err != nil {
		return h, fmt.Errorf("read the header of %s: %w", r.Name(), err)
	}
	h.Leaf = merkle.LeafHash(line)
	h.Header, err = segment.ParseHeader(line)
	if err != nil {
		err = &logfile.LineError{File: r.Name().String(), Line: 1, Err: err}
	}
	if err != nil && !errors.Is(err, segment.ErrNewer) {
		return Head{}, err
	}
	newer := err
	for range logevent.HeadLines - 1 {
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segline.ErrPartial) {
			break
		}
		if err != nil {
			return h, fmt.Errorf("read the head of %s: %w", r.Name(), err)
		}
		if parsed, err := segment.ParseEvent(nil, line); err == nil {
			h.take(parsed.Canonical, r.Line())
		}
	}
	return h, newer
}

// take notes what the event on a line says.
func (h *Head) take(canonical []byte, line int) {
	said, ok := ownevent.In(canonical)
	switch {
	case !ok:
	case said.Action == logevent.KeyChanged && line == logevent.KeyChangedLine && h.KeyChanged == nil:
		h.KeyChanged = &said
	case said.Action == logevent.Rotated && h.Rotated == nil:
		h.Rotated = &said
	}
}
