// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package cosign_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation/internal/cosign"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	origin   = "test.example/auditlog"
	interval = 10 * time.Second
)

// memory is a log in memory. It tells the agent of each commit with its lock held, as a log
// does.
type memory struct {
	t      *testing.T
	signer *signing.Signer
	agent  *cosign.Agent

	mu     sync.Mutex
	full   bool // no commit succeeds
	tree   merkle.Frontier
	note   []byte
	marks  []*consistency.Mark
	said   []logevent.Event
	kept   []int // how many sizes each snapshot was to keep
	quorum uint64
}

// commit appends a leaf for each event of the log's own, and so many for others. It is
// called with the lock held.
func (m *memory) commit(others int, own ...logevent.Event) error {
	if m.full {
		return errors.New("no space is left")
	}
	for range others + len(own) {
		consistency.Append(&m.tree, merkle.LeafHash(fmt.Appendf(nil, "leaf %d", m.tree.Size())), m.marks)
	}
	var err error
	if m.note, err = signing.SignCheckpoint(origin, m.tree.Size(), m.tree.Root(), m.signer); err != nil {
		m.t.Error(err)
	}
	m.said = append(m.said, own...)
	m.agent.Published(m.tree.Size(), others, own)
	return nil
}

func (m *memory) append(others int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.commit(others)
}

func (m *memory) fill(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

// actions are those of what the log has said.
func (m *memory) actions() (all []logevent.Action) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.said {
		all = append(all, e.Action)
	}
	return all
}

func (m *memory) Say(events ...logevent.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.commit(0, events...)
}

func (m *memory) Snapshot(keep []uint64) (*cosign.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.note == nil {
		return nil, nil
	}
	m.kept = append(m.kept, len(keep))
	m.marks = slices.DeleteFunc(m.marks, func(one *consistency.Mark) bool { return !slices.Contains(keep, one.Size()) })
	s := &cosign.Snapshot{Checkpoint: m.note, Tree: m.tree, Proofs: map[uint64][]merkle.Hash{}}
	for _, one := range m.marks {
		s.Proofs[one.Size()] = one.Proof(&m.tree)
	}
	m.marks = append(m.marks, consistency.NewMark(&m.tree))
	return s, nil
}

func (m *memory) Cosigned() {}

func (m *memory) WitnessReplied(cosigning.Reply) {}
func (m *memory) Witnessed(size uint64)          { m.quorum = size }
func (m *memory) WitnessesFault(error)           {}

// prepare makes a log in memory, with so many witnesses that are not asked yet.
func prepare(t *testing.T, n int) (*memory, []*witnesstest.Witness) {
	t.Helper()
	m := &memory{t: t, signer: signingtest.New(t, signing.Ed25519)}
	o := cosign.Options{Interval: interval, Observer: m, Logger: zap.NewNop(), Now: time.Now}
	var all []*witnesstest.Witness
	for i := range n {
		w := witnesstest.New(t, fmt.Sprintf("witness.example/w%d", i+1))
		w.Trust(t, origin, m.signer.Public())
		all, o.Witnesses = append(all, w), append(o.Witnesses, w)
	}
	var err error
	if m.agent, err = cosign.New(o, m); err != nil {
		t.Fatal(err)
	}
	m.append(1)
	return m, all
}

// start has the witnesses asked. The log has no files.
func start(t *testing.T, n int) (*memory, []*witnesstest.Witness) {
	t.Helper()
	m, all := prepare(t, n)
	m.agent.Start(fstest.MapFS{})
	return m, all
}

func stop(t *testing.T, m *memory) {
	t.Helper()
	if err := m.agent.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	m.agent.AskLast(context.Background())
}

// What the log cannot write is said again, and once.
func TestWhatCannotBeSaidIsSaidWithALaterRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, all := start(t, 1)
		time.Sleep(time.Second)
		if got := m.actions(); !slices.Equal(got, []logevent.Action{logevent.Witnessed}) {
			t.Fatalf("at the start the log says %q", got)
		}
		all[0].Misbehave(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnprocessableEntity) })
		m.append(1)
		m.fill(true)
		time.Sleep(3 * interval)
		all[0].Misbehave(nil)
		time.Sleep(100 * interval)
		if got := m.actions(); len(got) != 1 {
			t.Fatalf("the full log says %q", got)
		}
		m.fill(false)
		time.Sleep(3 * interval)
		stop(t, m)
		// That the log was contradicted is worth another cosignature.
		want := []logevent.Action{logevent.Witnessed, logevent.Contradicted, logevent.Witnessed, logevent.Witnessed}
		if got := m.actions(); !slices.Equal(got, want) {
			t.Errorf("the log says %q, not %q", got, want)
		}
		if m.quorum != all[0].Size(origin) {
			t.Errorf("a quorum has cosigned %d leaves, the witness %d", m.quorum, all[0].Size(origin))
		}
	})
}

// A witness that has been away is taken on by what the log has kept: there are no files to read.
// What it keeps is bounded by the number of witnesses.
func TestAnAgentKeepsTheSnapshotsItNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, all := start(t, 3)
		time.Sleep(time.Second)
		for i := range 300 {
			switch i {
			case 50:
				all[1].Misbehave(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "gone", http.StatusBadGateway) })
			case 250:
				all[1].Misbehave(nil)
			}
			m.append(1 + i%5)
			time.Sleep(interval)
		}
		time.Sleep(100 * interval)
		stop(t, m)
		if most := slices.Max(m.kept); most > 2*len(all)+1 {
			t.Errorf("a snapshot keeps %d others", most)
		}
		if one, other := all[0].Size(origin), all[1].Size(origin); one != other {
			t.Errorf("one witness is at %d leaves, the other at %d", one, other)
		}
	})
}

// The checkpoint that others see has a quorum's cosignatures, unless that takes too long.
func TestTheCheckpointThatOthersSee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, all := prepare(t, 1)
		newest := []byte("the newest")
		if got := m.agent.Checkpoint(newest, false); got != nil {
			t.Errorf("before any cosignature it is %q", got)
		}
		m.agent.Start(fstest.MapFS{})
		time.Sleep(time.Second)
		cosigned := m.agent.Checkpoint(newest, false)
		if _, err := all[0].Key.Cosignature(cosigned); err != nil {
			t.Errorf("it is not cosigned: %v", err)
		}
		all[0].Misbehave(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "gone", http.StatusBadGateway) })
		m.append(1)
		if got := m.agent.Checkpoint(newest, false); string(got) != string(cosigned) {
			t.Errorf("at once it is %q", got)
		}
		if got := m.agent.Checkpoint(newest, true); string(got) != string(newest) {
			t.Errorf("when the log is closed it is %q", got)
		}
		time.Sleep(5 * interval)
		if got := m.agent.Checkpoint(newest, false); string(got) != string(newest) {
			t.Errorf("after a long time it is %q", got)
		}
		stop(t, m)
	})
}
