// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

const (
	// maxID and maxMessage bound what a hostile file can put into a report.
	maxID      = 256
	maxMessage = 1024
)

// findings keeps up to a number of findings of each severity, so that no flood of
// warnings can displace what matters, and counts all.
type findings struct {
	list  []Finding
	count map[Severity]int
	kept  map[Severity]int
}

func (f *findings) add(most int, one Finding) {
	if f.count == nil {
		f.count, f.kept = map[Severity]int{}, map[Severity]int{}
	}
	f.count[one.Severity]++
	if f.kept[one.Severity] >= most && rank(one) > 0 {
		return
	}
	f.kept[one.Severity]++
	one.EventID, one.Message = clip(one.EventID, maxID), clip(one.Message, maxMessage)
	f.list = append(f.list, one)
}

// clip shortens s to about n bytes.
func clip[S string | []byte](s S, n int) string {
	if len(s) <= n {
		return string(s)
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return string(s[:n]) + "…"
}

// rank orders findings by how much they say: first those on whole segments, of
// which there are at most a few for each.
func rank(one Finding) int {
	switch {
	case one.Severity == Info:
		return 3
	case one.Severity == Warning:
		return 2
	}
	switch one.Kind {
	case SegmentMissing, SegmentOverlap, SegmentTruncated, SegmentUnreadable, Rollback, NotWitnessed:
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
