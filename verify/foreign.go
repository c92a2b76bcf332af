// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/foreign"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Somebody who compresses a segment by hand changes nothing of what it holds. What can be read
// is checked like any other; what can't accuses nobody, and nothing is guessed of it.

// unreadable says that a segment cannot be read from a line on; 0 is all of it.
func (f *follower) unreadable(line int, err error) {
	one := Finding{Kind: SegmentUnreadable, Severity: Tampering, Line: line, Message: err.Error()}
	if errors.Is(err, compression.ErrForeign) {
		f.unread = true
		one.Severity = Unchecked
		one.Message += ". " + compression.HowToDecompress(f.file.Name)
	}
	f.add(one)
}

// foreign says that a segment, which was read to its end, was compressed in another way than
// the format has. No signature covers what may be next to the lines then.
func (f *follower) foreign(how string) {
	if how == "" {
		return
	}
	f.add(Finding{Kind: ForeignCompression, Severity: Unchecked, Message: "compressed by something else than the exporter: " + how + ". What it holds was checked; other readers refuse it. " + compression.HowToDecompress(f.file.Name)})
}

// unreadUpTo is the name of the last segment that counts, if that was not read to its end and
// may go up to a size, or "". After it there may be an active one of which nothing counts yet.
func unreadUpTo(results []*result, size uint64) string {
	for _, r := range slices.Backward(results) {
		switch {
		case r.unread:
			return r.file.Name
		case r.end != nil || !r.active() || r.first < size:
			return ""
		}
	}
	return ""
}

// unreadAnywhere is the name of a segment that was not read to its end, or "".
func unreadAnywhere(results []*result) string {
	if i := slices.IndexFunc(results, func(r *result) bool { return r.unread }); i >= 0 {
		return results[i].file.Name
	}
	return ""
}

// readUpTo reports whether all leaves from one on up to a size are there, and were read.
func readUpTo(results []*result, from, size uint64) bool {
	for _, r := range results {
		if from >= size {
			return true
		}
		if r.first != from || r.end == nil {
			return false
		}
		from = r.end.size
	}
	return from >= size
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
