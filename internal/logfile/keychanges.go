// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"

	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
)

// maxKeyChangesBytes is how much of the file key-changes is read: some hundred thousand
// changes.
const maxKeyChangesBytes = 128 << 20

// KeyChange is a line of the file key-changes.
type KeyChange struct {
	// Line is its number, counted from 1, and End the offset after it.
	Line int
	End  int64
	// Note is the signed note that it holds, unopened (see [signing.OpenKeyChange]).
	Note []byte
}

// KeyChanges yields the lines of the file key-changes, of which there are none if the file
// does not exist. A line that is malformed comes with a [LineError], and what follows it is
// still read; another error ends the sequence. An unfinished last line is left out: it may be
// being written.
func KeyChanges(ctx context.Context, fsys fs.FS) iter.Seq2[KeyChange, error] {
	return func(yield func(KeyChange, error) bool) {
		f, err := rootfs.OpenRegular(fsys, sidefile.KeyChangesName)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(KeyChange{}, err)
			return
		}
		defer f.Close()
		for c, err := range KeyChangesIn(ctx, f) {
			if !yield(c, err) {
				return
			}
		}
	}
}

// KeyChangesIn is KeyChanges for what src holds.
func KeyChangesIn(ctx context.Context, src io.Reader) iter.Seq2[KeyChange, error] {
	return func(yield func(KeyChange, error) bool) {
		l := NewLines(ctx, io.LimitReader(src, maxKeyChangesBytes), sidefile.KeyChangesName, sidefile.MaxKeyChangeBytes)
		for {
			line, err := l.Next()
			var note []byte
			if err == nil {
				if note, err = sidefile.ParseKeyChange(line); err != nil {
					err = &LineError{sidefile.KeyChangesName, l.Number, err}
				}
			}
			if err == io.EOF || !yield(KeyChange{l.Number, l.End, note}, err) || err != nil && !Malformed(err) {
				return
			}
		}
	}
}
