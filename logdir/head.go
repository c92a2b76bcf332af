// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Head is what the first lines of a segment hold ([logevent.HeadLines]).
type Head struct {
	Header segment.Header
	// Leaf is the leaf hash of the header.
	Leaf merkle.Hash
	// Says are the events in which the log speaks of itself on the lines after the header: that
	// it has changed its key, and what the segment before held. An event that is malformed is
	// left out, and so is a key change on another line than the one where it belongs.
	Says []logevent.Event
}

// Said returns the first of those events with an action, and whether there is one.
func (h *Head) Said(action logevent.Action) (logevent.Event, bool) {
	for _, e := range h.Says {
		if e.Action == action {
			return e, true
		}
	}
	return logevent.Event{}, false
}

// ReadHead reads the head of a segment, which may have been begun and hold nothing yet: then
// the error wraps [segline.ErrPartial]. It is a [LineError] if the header is malformed; if
// it wraps [segment.ErrNewer], the head is there as far as this version knows it.
func ReadHead(ctx context.Context, fsys fs.FS, s Segment) (h Head, err error) {
	r, err := Open(ctx, fsys, s)
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
		err = &LineError{r.Name().String(), 1, err}
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
			said, ok := logevent.In(parsed.Canonical)
			if ok && (said.Action != logevent.KeyChanged || r.Line() == logevent.KeyChangedLine) {
				h.Says = append(h.Says, said)
			}
		}
	}
	return h, newer
}
