// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Names is [segment.List] without a look at each file: the size of segments is -1, and their mode
// has the type alone. On a file system that is remote, or in a log of many segments, looking at
// each takes long; [Stat] looks at one.
func Names(fsys fs.FS) (segment.Listing, error) { return segment.List(namesOnly{fsys}) }

// Stat returns a segment of [Names] with its size and mode. The error wraps [fs.ErrNotExist] if the
// file is gone since.
func Stat(fsys fs.FS, f segment.File) (segment.File, error) {
	if f.Size >= 0 {
		return f, nil
	}
	info, err := fs.Lstat(fsys, f.Name)
	if err != nil {
		return f, fmt.Errorf("look at %s: %w", f.Name, err)
	}
	f.Size, f.Mode = info.Size(), info.Mode()
	return f, nil
}

// namesOnly is a directory whose entries say nothing but their names and types.
type namesOnly struct{ fs.FS }

func (n namesOnly) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(n.FS, name)
	for i, e := range entries {
		entries[i] = nameOnly{e}
	}
	return entries, err
}

type nameOnly struct{ fs.DirEntry }

func (n nameOnly) Info() (fs.FileInfo, error) { return n, nil }

func (n nameOnly) Size() int64        { return -1 }
func (n nameOnly) Mode() fs.FileMode  { return n.Type() }
func (n nameOnly) ModTime() time.Time { return time.Time{} }
func (n nameOnly) Sys() any           { return nil }
