// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Segment is a segment of a log, as the directory was listed.
type Segment struct {
	// File is the form that is read. Of two, which a crash or a compression that is under way
	// leaves, it is the plain one. Of a plain one Size bytes are read; all, if it is negative.
	// Parsed.FirstIndex is the index of the segment's first leaf, which is its header.
	segment.File
	// Others are further files that begin with the same leaf.
	Others []segment.File
}

// Segments lists the segments of the log in the root of fsys, the oldest first; none is an empty
// list. The log may be in use.
func Segments(fsys fs.FS) (all []Segment, err error) {
	l, err := segment.List(fsys)
	if err != nil {
		return nil, err
	}
	for _, f := range l.Segments { // of files with the same index the plain one comes first
		if n := len(all); n > 0 && all[n-1].Parsed.FirstIndex == f.Parsed.FirstIndex {
			all[n-1].Others = append(all[n-1].Others, f)
		} else {
			all = append(all, Segment{File: f})
		}
	}
	return all, nil
}
