// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"github.com/otel-auditlog/auditlogexporter/internal/visible"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
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
	// compared is the number of ids before the group.
	compared int
	// counted are the events of commits, present those since the last commit line. late
	// are those that are out of range, unless their commit is in it.
	counted, present, late tally
	// presentFrom is the number of the first leaf after the last commit line.
	presentFrom  int
	logEvents    []logEvent
	keptRoots    []keptRoot
	cosignatures []cosignature
	// first and last are the group's commits, ofCommits what is wrong with what they say.
	first, last segment.Commit
	ofCommits   []Finding
	// objections are findings about keys that sign the checkpoint.
	objections []Finding
	// tornLines are findings about lines that a crash may explain.
	tornLines []Finding
	// ofOpenings are findings about openings of the group's events.
	ofOpenings []Finding
	unknown    uint64 // lines of no known kind
}

// keptRoot is a tree that a kept checkpoint speaks of.
type keptRoot struct {
	kept *keptCheckpoint
	root merkle.Hash
}

// leaf is a line of a group.
type leaf struct {
	hash merkle.Hash
	line int
	id   [2]int
	// counts says that it is among the pending events, late that it is if its commit is
	// in range, signed that it has a valid signature of its own, bad that it has been
	// reported as malformed.
	counts, late, signed, bad bool
}

func (g *group) id(l leaf) string { return string(g.ids[l.id[0]:l.id[1]]) }

// tally is what events come to.
type tally struct {
	counts
	failedIDs []string
	// pending counts events that are good but for the tree. Some ids are kept of those
	// without a signature of their own, and of those with one, where the time of their
	// commit may speak against them.
	pending, pendingSigned uint64
	pendingIDs, signedIDs  []string
	// torn is how many of the lines that a crash may explain were counted as failed
	// events.
	torn uint64
}

// clear makes the tally empty, but for its memory.
func (t *tally) clear() {
	*t = tally{failedIDs: t.failedIDs[:0], pendingIDs: t.pendingIDs[:0], signedIDs: t.signedIDs[:0]}
}

// merge moves another tally into this one, which keeps as many ids as most.
func (t *tally) merge(o *tally, most int) {
	if t.total == 0 {
		*t, *o = *o, *t
		o.clear()
		return
	}
	t.counts.add(&o.counts)
	t.failedIDs = appendUpTo(t.failedIDs, o.failedIDs, most)
	t.pending += o.pending
	t.pendingSigned += o.pendingSigned
	t.pendingIDs = appendUpTo(t.pendingIDs, o.pendingIDs, most)
	t.signedIDs = appendUpTo(t.signedIDs, o.signedIDs, most)
	t.torn += o.torn
	o.clear()
}

func appendUpTo(to, from []string, most int) []string {
	return append(to, from[:min(max(0, most-len(to)), len(from))]...)
}

// addPending counts an event that is good but for the tree, or, if bound is set, for the time
// of its commit.
func (t *tally) addPending(most int, l *checked, bound bool) {
	t.pending++
	ids := &t.pendingIDs
	if l.signed == sigValid {
		t.pendingSigned++
		if ids = &t.signedIDs; !bound {
			return
		}
	}
	if len(*ids) < most {
		*ids = append(*ids, visible.Clip(l.sum.ID, maxID))
	}
}

func (t *tally) fail(most int, id string) {
	t.failed++
	if id != "" && len(t.failedIDs) < most {
		t.failedIDs = append(t.failedIDs, id)
	}
}

// failPending counts what is pending as failed, or only what has no signature of its own.
func (t *tally) failPending(most int, signedToo bool) {
	if signedToo {
		t.pendingSigned = 0
		t.failedIDs = appendUpTo(t.failedIDs, t.signedIDs, most)
	}
	t.failed += t.pending - t.pendingSigned
	t.failedIDs = appendUpTo(t.failedIDs, t.pendingIDs, most)
	t.pending, t.pendingIDs = t.pendingSigned, t.pendingIDs[:0]
}
