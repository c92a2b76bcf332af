// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation/internal/cosign"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// newAgent makes the agent that asks the log's witnesses.
func (l *Log) newAgent() (*cosign.Agent, error) {
	return cosign.New(cosign.Options{
		Witnesses: l.opts.Witnesses, Quorum: l.opts.WitnessQuorum, Interval: l.opts.WitnessInterval,
		Observer: l.opts.Observer, Logger: l.opts.Logger, Now: l.opts.Now,
	}, agentsLog{l})
}

// agentsLog is the log as the agent sees it. The agent holds nothing of the log's: each
// method waits for sem itself.
type agentsLog struct{ log *Log }

func (a agentsLog) Snapshot(keep []uint64) (s *cosign.Snapshot, err error) {
	l := a.log
	l.hold(func() {
		if err = l.syncNow(); err != nil || l.note == nil {
			return
		}
		s = &cosign.Snapshot{Checkpoint: l.note, Tree: l.tree, Proofs: l.followed.keep(keep, &l.tree)}
		l.followed.follow(&l.tree)
	})
	return s, err
}

func (a agentsLog) Say(events ...logevent.Event) (err error) {
	a.log.hold(func() { err = a.log.commit(&group{says: events}) })
	return err
}

func (a agentsLog) Cosigned() { a.log.maintenance.committed() } // the checkpoint file is to have it

// syncNow makes durable what others are about to learn of: they would take a log that lost
// it for one that was rolled back.
func (l *Log) syncNow() error {
	if l.opts.Sync || l.active == nil {
		return nil
	}
	return errors.Join(l.active.file.Sync(), l.dir.Sync())
}

// checkpointToFile returns the checkpoint that the checkpoint file should hold, nil if
// what it has will do. It never gets older.
func (l *Log) checkpointToFile(closing bool) []byte {
	note := l.agent.Checkpoint(l.note, closing)
	if note == nil && l.filed == nil {
		note = l.note
	}
	if note == nil || l.filed == nil {
		return note
	}
	filed, err := signing.ParseCheckpoint(l.filed)
	if err != nil {
		return note
	}
	if c, err := signing.ParseCheckpoint(note); err != nil || c.Size < filed.Size {
		return nil
	}
	return note
}

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
