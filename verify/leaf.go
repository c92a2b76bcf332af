// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"hash/maphash"

	"github.com/otel-auditlog/auditlogexporter/internal/visible"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// addLeaf adds the line to the tree. counts says that it is a pending event, late that it is
// one if its commit is in range.
func (f *follower) addLeaf(l *checked, counts, late bool) {
	f.compareReceipt(l)
	f.seen++
	g := &f.group
	if !f.anchored {
		return
	}
	f.tree.Append(l.leaf)
	f.noteCheckpointRoots()
	if len(g.leaves) == maxLocate {
		g.lost = true
		return
	}
	start := len(g.ids)
	g.ids = append(g.ids, l.sum.ID[:min(len(l.sum.ID), maxID)]...)
	g.leaves = append(g.leaves, leaf{hash: l.leaf, line: f.line, id: [2]int{start, len(g.ids)}, counts: counts, late: late, signed: l.signed == sigValid, bad: l.bad != nil})
}

// compareReceipt says so if a receipt names another event than the one that its leaf,
// which is next, is; it may be none.
func (f *follower) compareReceipt(l *checked) {
	if f.c.o.Receipts == nil {
		return
	}
	if where, other := f.c.o.Receipts.Promises().OtherEvent(l.leaf, l.sum.ID); other {
		f.add(newFinding(ReceiptInvalid, Tampering, place{index: f.nextIndex(), eventID: visible.Clip(l.sum.ID, maxID)},
			"the receipt at %s is for this leaf, but names another event: it has been changed, or whoever wrote it deceived its holder", where))
	}
}

// noteCheckpointRoots notes the present tree if a kept checkpoint has its size. It counts once a
// signed checkpoint shows that the tree is the log's.
func (f *follower) noteCheckpointRoots() {
	for _, k := range f.c.keptOf[f.tree.Size()] {
		f.group.keptRoots = append(f.group.keptRoots, keptRoot{k, f.tree.Root()})
	}
}

// noteSignedRoot compares the tree of a signed checkpoint to which the lines before it do not
// lead with the kept checkpoints of its size: what is damaged has been found, and this is what
// the log says all the same.
func (f *follower) noteSignedRoot(c signing.Checkpoint) {
	for _, k := range f.c.keptOf[c.Size] {
		k.Compare(merkle.Hash(c.Root))
	}
}

// idSeed makes the hashes of event ids unpredictable, so that nobody can choose
// ids that collide.
var idSeed = maphash.MakeSeed()

// maxCompared bounds the events whose ids are compared, at 8 bytes each.
const maxCompared = 4 << 20

// rememberID keeps a hash of an event's id, to find those that occur twice.
func (f *follower) rememberID(id []byte) {
	if len(id) > 0 && f.claimed+f.seen-f.c.base < maxCompared {
		f.ids = append(f.ids, maphash.Bytes(idSeed, id))
	}
}
