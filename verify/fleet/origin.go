// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/foreign"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// originOf returns what a log calls itself, or "": nothing of it has been checked.
func originOf(fsys fs.FS) string {
	if l, err := segment.List(fsys); err == nil {
		for _, f := range l.Segments {
			if origin, ok := originIn(fsys, f); ok {
				return origin
			}
		}
	}
	note, err := logfile.Checkpoint(fsys)
	if err != nil {
		return ""
	}
	c, err := signing.ParseCheckpoint(note)
	if err != nil {
		return ""
	}
	return c.Origin
}

// originIn returns the origin in a segment's header, if it has a valid one.
func originIn(fsys fs.FS, f segment.File) (origin string, ok bool) {
	r, err := foreign.Open(fsys, f.Name, f.Size)
	if err != nil {
		return "", false
	}
	defer r.Close()
	line, err := r.NextHeader()
	if err != nil {
		return "", false
	}
	h, err := segment.ParseHeader(line)
	if err != nil && !errors.Is(err, segment.ErrNewer) {
		return "", false
	}
	return h.Origin, true
}
