// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/visible"
)

const (
	// maxID and maxMessage bound what a hostile file can put into a report.
	maxID      = 256
	maxMessage = 1024
)

// place is where in the log a finding is; each part may be left out.
type place struct {
	segment        string // a file's name
	line, lastLine int
	index          *uint64
	eventID        string
}

// newFinding is where every finding is born.
func newFinding(kind Kind, severity Severity, where place, format string, args ...any) Finding {
	return Finding{
		Kind: kind, Severity: severity,
		Segment: where.segment, Line: where.line, LastLine: where.lastLine, Index: where.index, EventID: visible.Clip(where.eventID, maxID),
		Message: visible.Clip(fmt.Sprintf(format, args...), maxMessage),
	}
}

// findings keeps up to a number of findings of each severity, so that no flood of
// warnings can displace what matters, and counts all.
type findings struct {
	list []Finding
	// count and kept are by severity, in the order of severities.
	count, kept [len(severities)]int32
	// wrongForm counts those that mean tampering and are about form; see soften.
	wrongForm int32
}

var severities = [...]Severity{Tampering, Unchecked, Warning, Info}

func (f *findings) add(most int, one Finding) {
	s := slices.Index(severities[:], one.Severity)
	f.count[s]++
	if one.Severity == Tampering && slices.Contains(ofForm, one.Kind) {
		f.wrongForm++
	}
	if int(f.kept[s]) >= most && rank(one) > 0 {
		return
	}
	f.kept[s]++
	f.list = append(f.list, one)
}

// ofForm are the kinds of findings about the form of a file that somebody may have put
// there by chance.
var ofForm = []Kind{EventMalformed, CheckpointMalformed, CommitInvalid, HeaderInvalid, SegmentMissing, SegmentUnreadable, UnsignedEvent, KeyChangeInvalid, ValueInvalid}

// soften makes what is wrong with the form of a file, of which nobody has signed anything,
// something that could not be checked.
func (f *findings) soften() {
	f.count[0] -= f.wrongForm
	f.count[1] += f.wrongForm
	f.wrongForm = 0
	for i := range f.list {
		if one := &f.list[i]; one.Severity == Tampering && slices.Contains(ofForm, one.Kind) {
			one.Severity = Unchecked
		}
	}
}

// rank orders findings by how much they say: first those on whole segments, of
// which there are at most a few for each.
func rank(one Finding) int {
	switch {
	case one.Severity == Info:
		return 4
	case one.Severity == Warning:
		return 3
	case one.Severity == Unchecked:
		return 2
	}
	switch one.Kind {
	case SegmentMissing, SegmentOverlap, SegmentTruncated, SegmentUnreadable, Rollback, NotWitnessed, RetentionBroken, Incomplete:
		return 0
	default:
		return 1
	}
}

// mostSevere returns the first most findings of the highest ranks, in the order
// they had.
func mostSevere(all []Finding, most int) []Finding {
	if len(all) <= most {
		return all
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(all[a]), rank(all[b])) })
	order = order[:most]
	slices.Sort(order)
	kept := make([]Finding, most)
	for i, j := range order {
		kept[i] = all[j]
	}
	return kept
}

// copyAgain is said of what a copy alone can explain.
const copyAgain = "A copy made while a collector wrote looks the same: if this is one, copy again (auditlog snapshot makes copies that are whole)"
