// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/logend"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// settled reports whether all commits up to a size are known to be durable.
func settled(e logend.End, size uint64) bool {
	return e.Durable.Size >= size || e.Whole && e.Last.Size == 0
}

// endOf finds the end of a log. The error wraps [fs.ErrNotExist] if the log has changed since it
// was listed.
func (c *copier) endOf(groups []forms, f *filed) (logend.End, error) {
	segments := make([]segment.File, len(groups))
	for i, g := range groups {
		if segments[i] = g[0]; !g[0].Mode.IsRegular() {
			// The copy may end before it and be good: nothing else says that there was more.
			c.leave(g[0].Name, fmt.Errorf("%w but %s", rootfs.ErrNotRegular, g[0].Mode.Type()))
		}
	}
	var note []byte
	if f != nil {
		note = f.note
	}
	return logend.Find(c.ctx, c.fsys, segments, note)
}

// makeDurable syncs the file with the log's last commit, and then counts that as durable.
func (c *copier) makeDurable(groups []forms, e logend.End) logend.End {
	if e.Last.Size == 0 {
		return e
	}
	for _, name := range []string{groups[e.LastAt].plain(), "."} {
		if err := durable.SyncRead(c.fsys, name); errors.Is(err, fs.ErrNotExist) {
			return e // compressed meanwhile
		} else if err != nil {
			c.leave(name, fmt.Errorf("its last commits are not known to be on stable storage, and not in the copy: %w", err))
			return e
		}
	}
	return logend.End{At: e.LastAt, Durable: e.Last, Last: e.Last, LastAt: e.LastAt}
}
