// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation/internal/cosign"
)

// newAgent makes the agent that asks the log's witnesses.
func newAgent(o *Options, w *writer, u *upkeep) (*cosign.Agent, error) {
	return cosign.New(cosign.Options{
		Witnesses: o.Witnesses, Quorum: o.WitnessQuorum, Interval: o.WitnessInterval,
		Observer: o.Observer, Logger: o.Logger, Now: o.Now,
	}, writersAgent{w, u})
}

// writersAgent is the log that the agent sees. The agent holds nothing of the log's: each
// method waits for sem itself.
type writersAgent struct {
	writer *writer
	upkeep *upkeep
}

func (a writersAgent) Snapshot(keep []uint64) (s *cosign.Snapshot, err error) {
	w := a.writer
	w.hold(func() {
		if err = w.syncNow(); err != nil || w.note == nil {
			return
		}
		s = &cosign.Snapshot{Checkpoint: w.note, Tree: w.tree, Proofs: w.followed.keep(keep, &w.tree)}
		w.followed.follow(&w.tree)
	})
	return s, err
}

func (a writersAgent) Say(events ...logevent.Event) (err error) {
	a.writer.hold(func() { err = a.writer.commit(&group{says: events}) })
	return err
}

func (a writersAgent) Cosigned() { a.upkeep.wake() } // the checkpoint file is to have it

// marks are earlier states of the tree from which proofs are still made.
type marks []*consistency.Mark

// keep drops the marks of all trees but those of these sizes, and returns the consistency
// proofs from them to a tree that they have grown to.
func (m *marks) keep(sizes []uint64, to *merkle.Frontier) map[uint64][]merkle.Hash {
	*m = slices.DeleteFunc(*m, func(one *consistency.Mark) bool { return !slices.Contains(sizes, one.Size()) })
	proofs := make(map[uint64][]merkle.Hash, len(*m))
	for _, one := range *m {
		proofs[one.Size()] = one.Proof(to)
	}
	return proofs
}

// follow marks a tree, unless it is marked already.
func (m *marks) follow(tree *merkle.Frontier) {
	if !slices.ContainsFunc(*m, func(one *consistency.Mark) bool { return one.Size() == tree.Size() }) {
		*m = append(*m, consistency.NewMark(tree))
	}
}

// prove returns the proof from the tree of that size, which is marked, to another.
func (m marks) prove(size uint64, to *merkle.Frontier) []merkle.Hash {
	for _, one := range m {
		if one.Size() == size {
			return one.Proof(to)
		}
	}
	return nil
}
