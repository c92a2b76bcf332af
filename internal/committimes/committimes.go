// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package committimes reads when the commits of a segment were made, by the writer's clock. A line
// of a commit follows its events, so that this is known only once the commit has been read.
package committimes

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Times says when the commits of a segment were made, by where in its content they end.
type Times []commitEnd

// commitEnd is a commit line and when it says that it was written.
type commitEnd struct {
	offset int64
	time   time.Time
}

// Read reads a segment to its end. The error wraps [fs.ErrNotExist] if it has been deleted.
func Read(ctx context.Context, fsys fs.FS, f segment.File) (all Times, err error) {
	r, err := logfile.Open(ctx, fsys, f, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		offset := r.End()
		line, err := r.Next()
		if err == io.EOF || errors.Is(err, segline.ErrPartial) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if segment.KindOf(line) != segline.KindCommit {
			continue
		}
		if c, err := segment.ParseCommit(line); err == nil {
			all = append(all, commitEnd{offset, c.Time})
		}
	}
}

// At returns when the commit was made that a line at an offset belongs to, or zero if none
// follows it.
func (c Times) At(offset int64) time.Time {
	i, _ := slices.BinarySearchFunc(c, offset, func(one commitEnd, offset int64) int {
		if one.offset < offset {
			return -1
		}
		return 1
	})
	if i == len(c) {
		return time.Time{}
	}
	return c[i].time
}
