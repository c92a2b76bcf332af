// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// tail says where a log ends.
type tail struct {
	// at is the number of the last segment that counts, of those that are listed; their
	// number, if none does.
	at int
	// whole says that this segment is sealed: it counts to its end.
	whole bool
	// durable is the last commit that is known to be on stable storage.
	durable commit
	// last is the last one there is, which may be in a later segment, lastAt.
	last   commit
	lastAt int
}

// settled reports whether all commits up to a size are known to be durable.
func (t tail) settled(size uint64) bool {
	return t.durable.size >= size || t.whole && t.last.size == 0
}

// commit is where a checkpoint ends, in the tree and in its file.
type commit struct {
	size uint64
	end  int64
}

// tailOf finds the end of a log. The writer syncs a commit before it begins the next one, and
// before it puts its checkpoint into the file checkpoint: one is durable if it is there, or if
// the log goes on after it, in the same segment or in the next. The error wraps
// [fs.ErrNotExist] if the log has changed since it was listed.
func (c *copier) tailOf(groups []forms, f *filed) (tail, error) {
	t := tail{at: len(groups), lastAt: len(groups)}
	for i, g := range slices.Backward(groups) {
		file := g[0]
		if !file.Mode.IsRegular() {
			// The copy may end before it and be good: nothing else says that there was more.
			c.leave(file.Name, fmt.Errorf("%w but %s", segment.ErrNotRegular, file.Mode.Type()))
			continue
		}
		if t.last.size > 0 || file.Parsed.Compression != segment.None {
			// The log goes on after it.
			t.at, t.whole = i, true
			if i+1 < len(groups) {
				t.durable.size = groups[i+1].index()
			}
			return t, nil
		}
		durable, last, err := c.commits(file, f)
		switch {
		case err != nil:
			return t, err
		case durable.size > 0:
			return tail{at: i, durable: durable, last: last, lastAt: i}, nil
		case last.size > 0:
			t.last, t.lastAt = last, i
		} // else it was begun, and nothing of it counts
	}
	return t, nil
}

// commits returns the last checkpoint of a plain segment that is known to be durable, and the
// last one.
func (c *copier) commits(file segment.File, f *filed) (durable, last commit, _ error) {
	r, err := segment.OpenAt(c.fsys, file.Name, 0, file.Size)
	if err != nil {
		if errors.Is(err, segment.ErrNotRegular) {
			err = nil
		}
		return durable, last, err
	}
	defer r.Close()
	for {
		if err := c.ctx.Err(); err != nil {
			return durable, last, err
		}
		line, err := r.Next()
		if err != nil {
			return durable, last, nil // what follows does not count
		}
		if segment.KindOf(line) != segment.KindCheckpoint {
			continue
		}
		note, err := segment.ParseCheckpoint(line)
		if err != nil {
			continue
		}
		one, err := signing.ParseCheckpoint(note)
		if err != nil {
			continue
		}
		durable, last = last, commit{one.Size, r.End()}
		if f != nil && one.Size == f.Size && one.Root == f.Root {
			durable = last
		}
	}
}

// makeDurable syncs the file with the log's last commit, and then counts that as durable.
func (c *copier) makeDurable(groups []forms, t tail) tail {
	if t.last.size == 0 {
		return t
	}
	for _, name := range []string{groups[t.lastAt].plain(), "."} {
		if err := durable.SyncRead(c.fsys, name); errors.Is(err, fs.ErrNotExist) {
			return t // compressed meanwhile
		} else if err != nil {
			c.leave(name, fmt.Errorf("its last commits are not known to be on stable storage, and not in the copy: %w", err))
			return t
		}
	}
	return tail{at: t.lastAt, durable: t.last, last: t.last, lastAt: t.lastAt}
}
