// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// MaxTreeDepth is how many directories deep [Tree] looks for logs, and MaxTreeLogs how
// many logs it takes.
const (
	MaxTreeDepth = 8
	MaxTreeLogs  = 1 << 16
)

// walker finds the logs below a directory.
type walker struct {
	ctx  context.Context
	fsys fs.FS
	logs []string // their directories, in order
	sum  *Summary
	most int // findings
}

// what a directory holds, as far as logs go.
type holding uint8

const (
	holdsNone    holding = iota // no log, in it or below
	holdsUnknown                // it could not be looked into, which has been reported
	holdsLog                    // a log, in it or below
)

// walk looks for logs in a directory and below. What it does not look into it reports.
func (w *walker) walk(dir string, depth int) (holding, error) {
	if err := w.ctx.Err(); err != nil {
		return holdsUnknown, err
	}
	if depth > MaxTreeDepth {
		w.unread(dir, "it lies more than %d directories deep, and was not looked into: verify it by itself", MaxTreeDepth)
		return holdsUnknown, nil
	}
	entries, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		if depth == 0 {
			return holdsUnknown, err
		}
		w.unread(dir, "it cannot be looked into: %v", err)
		return holdsUnknown, nil
	}
	isLog, wasLog := logIn(entries)
	holds := holdsNone
	if isLog {
		holds = holdsLog
		w.logs = append(w.logs, dir)
	}
	var empty []string
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		switch {
		case entry.Type()&fs.ModeSymlink != 0 && ofLog(entry) == foreign:
			w.sum.add(w.most, TreeFinding{Kind: LinkNotFollowed, Severity: Warning, Path: name, Message: "it is a symbolic link, and was not followed"})
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
	if holds == holdsNone && wasLog {
		// Nothing but a log leaves such files behind.
		holds = holdsLog
		w.logs = append(w.logs, dir)
	}
	if holds != holdsNone || depth == 0 {
		for _, name := range empty {
			w.sum.add(w.most, TreeFinding{Kind: ForeignDirectory, Severity: Info, Path: name, Message: "there is no audit log in it"})
		}
	}
	if len(w.logs) > MaxTreeLogs {
		return holds, fmt.Errorf("there are more than %d audit logs: verify parts of the tree", MaxTreeLogs)
	}
	return holds, nil
}

func (w *walker) unread(dir, format string, args ...any) {
	w.sum.Unread++
	w.sum.add(w.most, TreeFinding{Kind: DirectoryUnread, Severity: Warning, Path: dir, Message: fmt.Sprintf(format, args...)})
}

// logIn reports whether a directory with these entries is that of a log, and whether it
// has been one, or is above those of logs.
func logIn(entries []fs.DirEntry) (is, was bool) {
	for _, entry := range entries {
		switch ofLog(entry) {
		case essential:
			is = true
		case beside:
			was = true
		}
	}
	return is, was
}

const (
	foreign   = iota // no file of a log
	beside           // a file that a log has, and that stays behind when it has been deleted
	essential        // a file that makes a log
)

func ofLog(entry fs.DirEntry) int {
	name := entry.Name()
	_, err := segment.ParseName(name)
	switch {
	case err == nil, segment.IsTornName(name), name == segment.CheckpointName && !entry.IsDir():
		return essential
	case name == segment.LockName, name == segment.KeyChangesName, name == segment.PrunedRangesName:
		return beside
	default:
		return foreign
	}
}

// originIn returns what a log calls itself, or "": nothing of it has been checked.
func originIn(fsys fs.FS) string {
	c := &checker{fsys: fsys}
	if l, err := segment.List(fsys); err == nil {
		for _, f := range l.Segments {
			if h := c.header(f); h != nil {
				return h.Origin
			}
		}
	}
	f, err := segment.OpenRegular(fsys, segment.CheckpointName)
	if err != nil {
		return ""
	}
	defer f.Close()
	note, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return ""
	}
	k, err := signing.ParseCheckpoint(note)
	if err != nil {
		return ""
	}
	return k.Origin
}
