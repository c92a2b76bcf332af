// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"io/fs"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/opening"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// follower follows the lines of a segment in order.
type follower struct {
	*result
	c *checker
	// claims is the header, or what takes its place if that is invalid.
	claims *segment.Header
	tree   merkle.Frontier
	// anchored says that the tree is known: all checkpoints so far fit, or could
	// be made to.
	anchored bool
	// group is what has been read since the last checkpoint that counts.
	group group
	// claimed is the size of the last checkpoint with a valid signature, seen the
	// number of leaves since.
	claimed, seen uint64
	line          int
	malformed     int
	// tried is the work that went into locating changes.
	tried int
	// objected are the ids of keys that findings have been made about; see watch.
	objected []string
	commit   committing
	// openings are those of withheld values; nil if there are none. failure is why they
	// could not be read.
	openings *openings
	failure  error
	// unknownAction says that a finding has been made about one.
	unknownAction bool
}

// committing is where a follower is within the commits of a segment.
type committing struct {
	// line is that of the commit line, if it is the line before; otherwise 0.
	line int
	// number is that of the last commit, 0 if it is not known. at is the latest time that
	// a commit or the header has said.
	number uint64
	latest time.Time
	// ids is the tree over the ids of the events since, unless one is not known.
	ids        merkle.Frontier
	idsUnknown bool
	// wentBack and ahead say that this has been told of the segment.
	wentBack, ahead bool
}

// openings reads the file of openings along with the segment.
type openings struct {
	name string
	file fs.File
	r    *segment.Reader
	// next is the opening that has been read and not used.
	next *opening.Opening
	// last is the leaf of the one before.
	last uint64
	any  bool
}

// add notes a finding about the present line, or the one it names.
func (f *follower) add(one Finding) {
	if one.Line == 0 {
		one.Line = f.line
	}
	one.Segment = f.file.Name
	f.findings.add(f.c.perSegment, one)
}

// addOfCommit notes what is wrong with a commit. It counts once a signed checkpoint covers it.
func (f *follower) addOfCommit(kind Kind, severity Severity, format string, args ...any) {
	at := f.claimed + f.seen - 1
	f.group.ofCommits = append(f.group.ofCommits, newFinding(kind, severity, place{line: f.line, index: &at}, format, args...))
}

// mustRecheck notes a finding about a malformed line. In the newest segment, a line with
// a NUL is what a power cut leaves where data had not reached the disk: that
// is tampering only if a checkpoint follows. mustRecheck reports whether that is open.
func (f *follower) mustRecheck(l *checked, one Finding) bool {
	f.malformed++
	if l.nul && f.active() && len(f.group.tornLines) < f.c.perSegment {
		f.group.tornLines = append(f.group.tornLines, one)
		return true
	}
	f.add(one)
	return false
}

// nextIndex is that of the next leaf, as it would be if nothing had been changed
// before.
func (f *follower) nextIndex() *uint64 {
	index := f.claimed + f.seen
	return &index
}

func (f *follower) inRange(t time.Time) bool {
	o := &f.c.o
	return (o.Since.IsZero() || !t.Before(o.Since)) && (o.Until.IsZero() || t.Before(o.Until))
}

// checkOtherSigners notes keys that sign checkpoints over a leaf next to those for whose sake the
// segment counts, and may not. It is told once of each key. A zero time is that of no
// commit: only the index is looked at.
func (f *follower) checkOtherSigners(index uint64, at time.Time) {
	for _, k := range f.authority.otherSigners {
		if slices.Contains(f.objected, k.ID()) {
			continue
		}
		kind, why := k.objection(index, at)
		if at.IsZero() {
			kind, why = objection(k.byIndex, index, at)
		}
		if kind == "" {
			continue
		}
		f.objected = append(f.objected, k.ID())
		f.group.objections = append(f.group.objections, newFinding(kind, Tampering, place{line: f.line, index: &index},
			"a key signs the checkpoints from here on beside the others, and may not: %s", why))
	}
}
