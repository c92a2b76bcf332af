// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"encoding/json"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// group is the lines that the next checkpoint is to cover. What they say counts
// once it is known whether it does.
type group struct {
	firstLine int
	before    merkle.Frontier
	leaves    []leaf
	ids       []byte // of the leaves' events
	// lost says that there are more leaves than are kept.
	lost bool
	// counts and compared are those before the group.
	counts   counts
	compared int
	// pending counts events in range that are good but for the tree; of those
	// without a signature of their own, some ids are kept.
	pending, pendingSigned uint64
	pendingIDs             []string
	own                    []ownEvent
	met                    []met
	vouches                []vouch
	// objections are findings about keys that sign the checkpoint.
	objections []Finding
	// doubts are findings about lines that a crash may explain; doubted is how
	// many of the lines were counted as failed events.
	doubts           []Finding
	doubted, unknown uint64 // unknown: lines of no known kind
}

// leaf is a line of a group.
type leaf struct {
	hash merkle.Hash
	line int
	id   [2]int
	// counts says that it is among the pending events, signed that it has a valid
	// signature of its own, bad that it has been reported as malformed.
	counts, signed, bad bool
}

func (g *group) id(l leaf) string { return string(g.ids[l.id[0]:l.id[1]]) }

// await takes in an event that is good but for the tree.
func (g *group) await(most int, l *checked) {
	g.pending++
	if l.signed == sigValid {
		g.pendingSigned++
	} else if len(g.pendingIDs) < most {
		g.pendingIDs = append(g.pendingIDs, clip(l.sum.ID, maxID))
	}
}

// ownEvent is what the log says of itself on some line.
type ownEvent struct {
	said
	line   int
	index  uint64
	id     string
	signed bool
}

// said is the part of it that matters here (docs/format.md, section 6.4).
type said struct {
	Action   string `json:"action"`
	Before   uint64 `json:"before"`
	RootHash []byte `json:"root_hash"`
	Segment  string `json:"segment"`
	Reason   string `json:"reason"`
	Detail   string `json:"detail"`
	Size     int64  `json:"size"`
	Witness  string `json:"witness"`
	// KeyChange is the note about a change of the key.
	KeyChange string `json:"key_change"`
	// Previous is the segment before.
	Previous *saidSegment `json:"previous"`
}

// saidSegment is what the log says of a segment that it has sealed.
type saidSegment struct {
	FirstIndex uint64   `json:"first_index"`
	Range      [][]byte `json:"range"`
	RootHash   []byte   `json:"root_hash"`
	TreeSize   uint64   `json:"tree_size"`
}

// maxRange is the largest number of subtrees that the leaves of a segment form.
const maxRange = 128

// maxOwn bounds the events of the log's own that are kept for each group.
const maxOwn = 1000

// listen takes in what the log says of itself.
func (f *follower) listen(l *checked, index uint64) {
	if l.claim != nil {
		f.claim(l.claim, index, clip(l.sum.ID, maxID))
		return
	}
	e := ownEvent{line: f.line, index: index, id: clip(l.sum.ID, maxID), signed: l.signed == sigValid}
	if err := json.Unmarshal(l.sum.Log, &e.said); err != nil {
		f.add(Finding{Kind: EventMalformed, Severity: Tampering, Index: &index, EventID: e.id, Message: "what the log says of itself is malformed: " + err.Error()})
		return
	}
	switch e.Action {
	case "rotated":
		// A writer says it once, at the beginning of a segment.
		if e.Previous != nil && len(e.Previous.Range) <= maxRange && f.line < maxHeadLines && index <= f.first+maxHeadLines {
			f.group.own = append(f.group.own, e)
		}
	case "pruned", "recovered", "damaged", "contradicted":
		e.Previous = nil
		if len(f.group.own) < maxOwn {
			e.KeyChange = "" // it has been taken in before
			e.Segment, e.Reason, e.Witness, e.Detail = clip(e.Segment, maxID), clip(e.Reason, maxID), clip(e.Witness, maxID), clip(e.Detail, maxMessage)
			f.group.own = append(f.group.own, e)
		}
	}
}

// settle ends a group; good says that a signed checkpoint covers all of it.
// Otherwise only what carries a signature of its own is believed.
func (f *follower) settle(good bool) {
	g := &f.group
	for _, one := range slices.Concat(g.doubts, g.objections) {
		f.add(one)
	}
	if good {
		f.verified += g.pending
		f.own = append(f.own, g.own...)
		for _, v := range g.vouches {
			f.vouches = addVouch(f.vouches, v)
		}
		for _, m := range g.met {
			m.settle()
		}
	} else {
		f.verified += g.pendingSigned
		f.failed += g.pending - g.pendingSigned
		room := max(0, f.c.perSegment-len(f.failedIDs))
		f.failedIDs = append(f.failedIDs, g.pendingIDs[:min(room, len(g.pendingIDs))]...)
		for _, e := range g.own {
			if e.signed {
				f.own = append(f.own, e)
			}
		}
	}
	f.reset()
}

// reset begins a group behind the present line.
func (f *follower) reset() {
	g := &f.group
	*g = group{
		firstLine: f.line + 1, before: f.tree, counts: f.counts, compared: len(f.ids),
		leaves: g.leaves[:0], ids: g.ids[:0], pendingIDs: g.pendingIDs[:0], own: g.own[:0], met: g.met[:0], vouches: g.vouches[:0], doubts: g.doubts[:0],
	}
}

// forget drops a group that was never acknowledged. Lines in it that no crash
// explains stay counted.
func (f *follower) forget() {
	g := &f.group
	failed := f.failed - g.counts.failed - g.doubted
	f.counts = g.counts
	f.total += failed
	f.failed += failed
	f.ids = f.ids[:g.compared]
	f.reset()
}
