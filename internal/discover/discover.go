// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

const (
	// MaxDepth is how many directories deep [Logs] looks.
	MaxDepth = 8
	// MaxLogs is how many logs it finds.
	MaxLogs = 1 << 16
)

// ErrTooMany: there are more than [MaxLogs] logs.
var ErrTooMany = errors.New("there are too many audit logs")

// Purpose says what the logs are looked for to do with them, which decides what makes a
// directory one of a log. A segment, a tail that was set aside and the file checkpoint always
// do.
type Purpose uint8

const (
	// ToVerify takes the other files of a log, its lock included, for leftovers. They make a
	// log, of which nothing else is there, only if there is none below either: a writer of
	// partitions has a lock around them.
	ToVerify Purpose = iota
	// ToCopy takes a directory that holds the files key-changes or pruned-ranges alone for a
	// log, too: a copy without them would lack them, and nothing would show it. A lock alone
	// cannot be copied; it is passed over as [LockAlone].
	ToCopy
)

// Reason says why something was passed over.
type Reason uint8

const (
	// TooDeep: the directory lies more than MaxDepth directories deep.
	TooDeep Reason = iota
	// Unreadable: the directory cannot be read.
	Unreadable
	// Link: a symbolic link, which may lead to a log.
	Link
	// NoLog: a directory next to logs, or to nothing, holds none.
	NoLog
	// LockAlone: the directory has a log's lock and none of its files.
	LockAlone
)

// Passed is something that was passed over.
type Passed struct {
	// Path is below the root, with slashes; "." is the root.
	Path   string
	Reason Reason
	// Err is why a directory is unreadable.
	Err error
}

// Logs returns the directories of logs in the root of fsys and below, each before those
// within it. It calls passed with what it has passed over. The error says that the root could
// not be read, or wraps [ErrTooMany].
func Logs(ctx context.Context, fsys fs.FS, purpose Purpose, passed func(Passed)) (dirs []string, err error) {
	w := &walker{ctx: ctx, fsys: fsys, purpose: purpose, passed: passed}
	_, err = w.walk(".", 0)
	return w.dirs, err
}

type walker struct {
	ctx     context.Context // of the one call of Logs
	fsys    fs.FS
	purpose Purpose
	passed  func(Passed)
	dirs    []string
}

// holding is what a directory holds, as far as logs go.
type holding uint8

const (
	holdsNone    holding = iota // no log, in it or below
	holdsUnknown                // it could not be looked into
	holdsLog                    // a log, in it or below
)

func (w *walker) walk(dir string, depth int) (holding, error) {
	if err := w.ctx.Err(); err != nil {
		return holdsUnknown, err
	}
	if depth > MaxDepth {
		w.passed(Passed{Path: dir, Reason: TooDeep})
		return holdsUnknown, nil
	}
	entries, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		if depth == 0 {
			return holdsUnknown, err
		}
		w.passed(Passed{Path: dir, Reason: Unreadable, Err: err})
		return holdsUnknown, nil
	}
	holds, leftover := holdsNone, false
	for _, entry := range entries {
		switch w.purpose.signOf(entry) {
		case essential:
			holds = holdsLog
		case remnant:
			leftover = true
		}
	}
	if holds == holdsLog {
		w.dirs = append(w.dirs, dir)
	}
	var empty []string
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		switch {
		case entry.Type()&fs.ModeSymlink != 0 && w.purpose.misses(entry):
			w.passed(Passed{Path: name, Reason: Link})
			continue
		case !entry.IsDir():
			continue
		}
		below, err := w.walk(name, depth+1)
		if err != nil {
			return holdsUnknown, err
		}
		if below == holdsNone {
			empty = append(empty, name)
		}
		holds = max(holds, below)
	}
	if leftover && holds == holdsNone {
		if w.purpose == ToCopy {
			w.passed(Passed{Path: dir, Reason: LockAlone})
		} else {
			holds = holdsLog
			w.dirs = append(w.dirs, dir)
		}
	}
	if holds != holdsNone || depth == 0 {
		for _, name := range empty {
			w.passed(Passed{Path: name, Reason: NoLog})
		}
	}
	if len(w.dirs) > MaxLogs {
		return holds, ErrTooMany
	}
	return holds, nil
}

// sign is what a file says of its directory.
type sign uint8

const (
	none      sign = iota // no file of a log
	remnant               // a file that a log has, and that stays when it has been deleted
	essential             // a file that makes a log
)

func (p Purpose) signOf(entry fs.DirEntry) sign {
	name := entry.Name()
	_, err := segment.ParseName(name)
	switch {
	case err == nil, sidefile.IsTornName(name), name == sidefile.CheckpointName && !entry.IsDir():
		return essential
	case name == durable.LockName:
		return remnant
	case name != sidefile.KeyChangesName && name != sidefile.PrunedRangesName:
		return none
	case p == ToVerify:
		return remnant
	case entry.IsDir():
		return none
	default:
		return essential
	}
}

// misses reports whether nothing else tells of a link of that name: a lock is part of a log
// that is verified, but not of a copy.
func (p Purpose) misses(link fs.DirEntry) bool {
	s := p.signOf(link)
	return s == none || p == ToCopy && s == remnant
}
