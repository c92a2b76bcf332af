// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/foreign"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Somebody who compresses a segment by hand changes nothing of what it holds. What can be read
// is checked like any other; what can't accuses nobody, and nothing is guessed of it.

// unreadable says that a segment cannot be read from a line on; 0 is all of it.
func (f *follower) unreadable(line int, err error) {
	if errors.Is(err, compression.ErrForeign) {
		f.unread = true
		f.add(newFinding(SegmentUnreadable, Unchecked, place{line: line}, "%v. %s", err, compression.HowToDecompress(f.file.Name)))
		return
	}
	f.add(newFinding(SegmentUnreadable, Tampering, place{line: line}, "%v", err))
}

// foreign says that a segment, which was read to its end, was compressed in another way than
// the format has. No signature covers what may be next to the lines then.
func (f *follower) foreign(how string) {
	if how == "" {
		return
	}
	f.add(newFinding(ForeignCompression, Unchecked, place{}, "compressed by something else than the exporter: %s. What it holds was checked; other readers refuse it. %s", how, compression.HowToDecompress(f.file.Name)))
}

// foreignSegments are the files among those that the format does not know which are segments
// that another compressor has been used on, unless another form of the segment is there.
func (c *checker) foreignSegments(l segment.Listing) (all []segment.File) {
	forms := map[segment.Name]bool{}
	for _, f := range l.Segments {
		forms[segname.Plain(f.Parsed)] = true
	}
	for _, name := range l.Unknown {
		parsed, err := foreign.ParseName(name)
		if err != nil || forms[segname.Plain(parsed)] {
			continue
		}
		if _, err := foreign.Open(c.fsys, name, -1); !errors.Is(err, compression.ErrForeign) {
			continue // a name alone says nothing
		}
		info, err := fs.Lstat(c.fsys, name)
		if err != nil {
			continue // it has just gone
		}
		forms[segname.Plain(parsed)] = true
		all = append(all, segment.File{Name: name, Parsed: parsed, Size: info.Size(), Mode: info.Mode()})
	}
	return all
}
