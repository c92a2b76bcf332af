// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"context"
	"errors"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/logend"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// DurableCheckpoint returns the newest checkpoint of a log (c2sp.org/tlog-checkpoint) that is
// known to be on stable storage, with the cosignatures that the file checkpoint has on it: the one
// in that file, or one that the log has been continued after. Its signature has not been checked.
// The error wraps [ErrNoLog] or [ErrNoCheckpoint] if there is none.
func DurableCheckpoint(ctx context.Context, fsys fs.FS) ([]byte, error) {
	return lookForCheckpoint(ctx, fsys, func(e logend.End) (note []byte, whole bool) { return e.Durable.Note, e.Whole })
}

// NewestCheckpoint returns the newest checkpoint of a log, which a power cut may take back. Its
// signature has not been checked. The error wraps [ErrNoLog] or [ErrNoCheckpoint] if there is
// none.
func NewestCheckpoint(ctx context.Context, fsys fs.FS) ([]byte, error) {
	return lookForCheckpoint(ctx, fsys, func(e logend.End) (note []byte, whole bool) {
		return e.Last.Note, e.Whole && e.Last.Size == 0
	})
}

// lookForCheckpoint returns the checkpoint that want takes of the log's end or, if that is the
// end of a whole segment, the last one of that.
func lookForCheckpoint(ctx context.Context, fsys fs.FS, want func(logend.End) (note []byte, whole bool)) (note []byte, _ error) {
	err := logfile.Retry(ctx, func() error {
		filed, err := logfile.Checkpoint(fsys)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !logfile.Malformed(err) {
			return err
		}
		segments, err := Segments(fsys)
		if err != nil {
			return err
		}
		if len(segments) == 0 {
			return ErrNoLog
		}
		files := make([]segment.File, len(segments))
		for i, s := range segments {
			files[i] = s.File
		}
		e, err := logend.Find(ctx, fsys, files, filed)
		if err == nil {
			err = e.Damage
		}
		if err != nil {
			return err
		}
		var whole bool
		if note, whole = want(e); note == nil && whole {
			var last logend.Commit
			last, err = logend.LastOfWhole(ctx, fsys, files, e, filed)
			note = last.Note
		}
		if note != nil || err != nil {
			return err
		}
		if e.Last.Size > 0 {
			return errNotDurable
		}
		return ErrNoCheckpoint
	})
	return note, err
}
