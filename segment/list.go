// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
)

// File is one segment file of a log directory.
type File struct {
	// Name is the file's name, and Parsed what it says.
	Name   string
	Parsed Name
	// Size is the number of bytes stored when the directory was listed.
	Size int64
	// Mode is the file's mode, of the file itself even if it is a symbolic
	// link. Only a regular file can be a segment.
	Mode fs.FileMode
}

// Listing is the content of a log directory, by class. Names are sorted.
type Listing struct {
	// Segments are the files that have a segment's name, by index; of files
	// with the same index the plain one comes first.
	Segments []File
	// Torn are tails that a restart set aside.
	Torn []string
	// Values are the files with openings of values of the segments.
	Values []string
	// Temporary are unfinished files, which are no part of the log.
	Temporary []string
	// Unknown are files that this format does not know.
	Unknown []string
	// Checkpoint says that there is a checkpoint file.
	Checkpoint bool
}

// maxLooks bounds how often [List] reads a directory that changes under it.
const maxLooks = 10

// List reads the directory at the root of fsys. If the log is in use, a segment that is
// being replaced by its compressed form could be missed in both, so the directory is read
// until two looks agree on the segments, though no more than ten times.
func List(fsys fs.FS) (Listing, error) {
	entries, err := read(fsys)
	if err != nil {
		return Listing{}, err
	}
	for look := 1; ; look++ {
		l, err := classify(entries)
		if err != nil {
			return Listing{}, err
		}
		again, err := read(fsys)
		if err != nil {
			return Listing{}, err
		}
		if look == maxLooks || slices.Equal(settled(entries), settled(again)) {
			return l, nil
		}
		entries = again
	}
}

// read returns a directory's entries, sorted by name.
func read(fsys fs.FS) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("list the log directory: %w", err)
	}
	return entries, nil
}

// settled returns the names of what is not about to be renamed.
func settled(entries []fs.DirEntry) (names []string) {
	for _, e := range entries {
		if name := e.Name(); !strings.HasSuffix(name, durable.TempSuffix) {
			names = append(names, name)
		}
	}
	return names
}

func classify(entries []fs.DirEntry) (l Listing, _ error) {
	for _, e := range entries {
		name := e.Name()
		parsed, err := ParseName(name)
		switch {
		case err == nil:
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				// Compressed or pruned since the directory was read.
				continue
			}
			if err != nil {
				return Listing{}, fmt.Errorf("list the log directory: %w", err)
			}
			l.Segments = append(l.Segments, File{Name: name, Parsed: parsed, Size: info.Size(), Mode: info.Mode()})
		case name == sidefile.CheckpointName:
			l.Checkpoint = true
		case name == durable.LockName, name == sidefile.KeyChangesName, name == sidefile.PrunedRangesName:
		case sidefile.IsTornName(name):
			l.Torn = append(l.Torn, name)
		case isValuesName(name):
			l.Values = append(l.Values, name)
		case strings.HasSuffix(name, durable.TempSuffix):
			l.Temporary = append(l.Temporary, name)
		default:
			l.Unknown = append(l.Unknown, name)
		}
	}
	slices.SortStableFunc(l.Segments, func(a, b File) int {
		return cmp.Or(
			cmp.Compare(a.Parsed.FirstIndex, b.Parsed.FirstIndex),
			a.Parsed.Created.Compare(b.Parsed.Created),
			cmp.Compare(len(a.Name), len(b.Name)),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return l, nil
}

// isValuesName reports whether s is the name of a segment's file of openings.
func isValuesName(s string) bool {
	stem, ok := strings.CutSuffix(s, sidefile.ValuesSuffix)
	if !ok {
		return false
	}
	_, err := ParseName(stem + nameSuffix)
	return err == nil
}
