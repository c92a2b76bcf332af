// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"encoding/json"
	"fmt"
	"slices"
)

// said is what the log may say of itself (docs/format.md, section 6.4).
type said struct {
	Action   string `json:"action"`
	Before   uint64 `json:"before"`
	RootHash []byte `json:"root_hash"`
	Segment  string `json:"segment"`
	File     string `json:"file"`
	Reason   string `json:"reason"`
	Detail   string `json:"detail"`
	SHA256   string `json:"sha256"`
	Size     int64  `json:"size"`
}

// join checks that the segments are windows on one tree, without gaps.
func (c *checker) join(results []*result) error {
	results = slices.DeleteFunc(slices.Clone(results), func(r *result) bool { return r.gone })
	if err := c.rightKey(results); err != nil {
		return err
	}
	pruned := c.listen(results)
	first := uint64(0)
	var end *point // of the log so far; nil if it is not known
	var before *result
	for _, r := range results {
		if r.start == nil {
			continue
		}
		if c.report.Origin == "" {
			c.report.Origin = r.header.Origin
		}
		if r.header.Origin != c.report.Origin {
			r.find(c.o.MaxFindings, Finding{Kind: HeaderInvalid, Severity: Tampering, Line: 1, Message: fmt.Sprintf("the segment is of the log %q, not of %q", r.header.Origin, c.report.Origin)})
		}
		switch {
		case before == nil:
			first = r.start.size
			c.beginning(r, pruned)
		case end == nil:
			// Its end is not known, which has been reported.
		case r.start.size > end.size && pruned != nil && r.start.size <= pruned.Before:
			r.find(c.o.MaxFindings, Finding{Kind: Pruned, Severity: Info, Message: fmt.Sprintf("leaves %d to %d have been pruned", end.size, r.start.size-1)})
		case r.start.size > end.size:
			r.find(c.o.MaxFindings, Finding{Kind: SegmentMissing, Severity: Tampering, Message: fmt.Sprintf("leaves %d to %d are missing between %s and this segment", end.size, r.start.size-1, before.file.Name)})
		case r.start.size < end.size:
			r.find(c.o.MaxFindings, Finding{Kind: SegmentOverlap, Severity: Tampering, Message: fmt.Sprintf("the segment starts at leaf %d, but %s goes up to leaf %d", r.start.size, before.file.Name, end.size-1)})
		case r.start.root != end.root:
			r.find(c.o.MaxFindings, Finding{Kind: RootMismatch, Severity: Tampering, Line: 1, Message: fmt.Sprintf("the header's frontier is not that of the tree at the end of %s", before.file.Name)})
		}
		before, end = r, r.end
		if r.end != nil {
			c.report.TreeSize, c.report.RootHash = r.end.size, r.end.root[:]
		}
	}
	if before == nil && len(results) == 0 {
		c.log = append(c.log, Finding{Kind: SegmentMissing, Severity: Tampering, Message: "there is a checkpoint of the log, but no segment"})
	}
	c.judgeKept(first)
	return nil
}

// rightKey tells a log that is signed with other keys from one that has been
// tampered with.
func (c *checker) rightKey(results []*result) error {
	named := []string{}
	for _, r := range results {
		if len(r.signers) > 0 {
			return nil
		}
		if r.header == nil {
			continue
		}
		for _, k := range r.header.Keys {
			if c.keyByID(k.ID) != nil {
				return nil
			}
			if !slices.Contains(named, k.ID) {
				named = append(named, k.ID)
			}
		}
	}
	if len(named) == 0 {
		return nil
	}
	return fmt.Errorf("%w: its segments name %q", ErrWrongKey, named)
}

// beginning checks the first segment there is.
func (c *checker) beginning(r *result, pruned *said) {
	switch {
	case r.start.size == 0:
	case pruned == nil || pruned.Before < r.start.size:
		r.find(c.o.MaxFindings, Finding{Kind: SegmentMissing, Severity: Tampering, Message: fmt.Sprintf("leaves 0 to %d are missing, and the log does not say that they were pruned", r.start.size-1)})
	case pruned.Before == r.start.size && string(pruned.RootHash) != string(r.start.root[:]):
		r.find(c.o.MaxFindings, Finding{Kind: RootMismatch, Severity: Tampering, Line: 1, Message: "the header's frontier is not that of the tree that was pruned"})
	default:
		r.find(c.o.MaxFindings, Finding{Kind: Pruned, Severity: Info, Message: fmt.Sprintf("leaves 0 to %d have been pruned by retention, as the log says", r.start.size-1)})
	}
}

// listen reads what the log says of itself, and returns the furthest pruning.
func (c *checker) listen(results []*result) (pruned *said) {
	for _, r := range results {
		for _, e := range r.logEvents {
			var s said
			one := Finding{Line: e.line, Index: &e.index, EventID: e.id}
			if err := json.Unmarshal(e.detail, &s); err != nil {
				one.Kind, one.Severity, one.Message = EventMalformed, Tampering, fmt.Sprintf("what the log says of itself is malformed: %v", err)
				r.find(c.o.MaxFindings, one)
				continue
			}
			switch s.Action {
			case "pruned":
				if pruned == nil || s.Before > pruned.Before {
					pruned = &s
				}
				continue
			case "recovered":
				one.Kind, one.Severity = Recovered, Info
				one.Message = fmt.Sprintf("the writer set aside or cut off %d bytes behind the last checkpoint of %s (%s)", s.Size, s.Segment, s.Reason)
			case "damaged":
				one.Kind, one.Severity = Damaged, Warning
				one.Message = fmt.Sprintf("the writer found %s damaged: %s", s.Segment, s.Detail)
			default:
				continue
			}
			r.find(c.o.MaxFindings, one)
		}
	}
	return pruned
}
