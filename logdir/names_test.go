// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/otel-auditlog/auditlogexporter/logdir"
)

// lookedAt is a directory that counts how often a file is looked at, also by way of its entry.
type lookedAt struct {
	fstest.MapFS
	looks *int
}

func (l lookedAt) Lstat(name string) (fs.FileInfo, error) {
	*l.looks++
	return l.MapFS.Lstat(name)
}

func (l lookedAt) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := l.MapFS.ReadDir(name)
	for i, e := range entries {
		entries[i] = lookedAtEntry{e, l.looks}
	}
	return entries, err
}

type lookedAtEntry struct {
	fs.DirEntry
	looks *int
}

func (e lookedAtEntry) Info() (fs.FileInfo, error) {
	*e.looks++
	return e.DirEntry.Info()
}

// What does not read the older segments does not look at them, of which there may be thousands on
// a remote file system.
func TestOlderSegmentsAreNotLookedAt(t *testing.T) {
	l := newLog(t)
	for range 50 {
		l.commit(1)
		l.rotate()
	}
	l.commit(1)
	l.commit(1)
	looks := new(int)
	fsys := lookedAt{l.files, looks}
	if segments, err := logdir.Segments(fsys); err != nil || len(segments) != 51 || *looks > 0 {
		t.Errorf("%d segments, %v; %d looks", len(segments), err, *looks)
	}
	if _, err := logdir.DurableCheckpoint(t.Context(), fsys); err != nil || *looks > 5 {
		t.Errorf("%v; %d looks for the newest segment and the file checkpoint", err, *looks)
	}
}
