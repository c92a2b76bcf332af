// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

var (
	crashRounds = flag.Int("crash.rounds", 40, "how many workloads TestCrashes runs")
	crashSeed   = flag.Uint64("crash.seed", 1, "the first workload's seed")
)

// wreck is what a power cut left, and what had been promised by then.
type wreck struct {
	at    int // operation
	left  *model
	o     rotation.Options
	acked [][]string // batches that had been acknowledged
	tried [][]string // batches under way, or that had failed
}

// A power cut may come after any operation on the file system, and leave any part of
// what had not been synced. After a restart every batch that was acknowledged is
// there, each other batch is there whole or not at all, the log verifies, and it goes
// on.
func TestCrashes(t *testing.T) {
	states := 0
	for round := range *crashRounds {
		seed := *crashSeed + uint64(round)
		states += crashRound(t, seed)
		if t.Failed() {
			t.Fatalf("workload of seed %d", seed)
		}
	}
	t.Logf("%d workloads, %d states", *crashRounds, states)
}

func crashRound(t *testing.T, seed uint64) (states int) {
	r := rand.New(rand.NewPCG(seed, 0))
	o := options(t)
	o.Signer = signer(t, signing.Ed25519)
	o.Scope = []segment.Scope{segment.ScopeEvent, segment.ScopeCheckpoint}[r.IntN(2)]
	o.MaxSegmentBytes = []int64{0, 1, 1500, 3000}[r.IntN(4)]
	o.Compression = []segment.Compression{segment.None, segment.Zstd, segment.Gzip}[r.IntN(3)]
	if r.IntN(3) == 0 {
		o.Retention.MaxSegments = 2 + r.IntN(3)
	}
	m := newModel()
	o.FS = m
	first := o.Signer
	// The key stays, each segment has its own, or the configuration changes it.
	keyMode := r.IntN(3)
	keys := &modelKeys{t: t, current: first, chance: rand.New(rand.NewPCG(seed, 3))}
	if keyMode == 1 {
		o.SegmentKeys = keys
	}
	var wrecks []wreck
	var acked, tried [][]string
	ops := 0
	cuts := rand.New(rand.NewPCG(seed, 1)) // the model's lock guards it
	m.step = func() {
		ops++
		if cuts.IntN(3) == 0 {
			wrecks = append(wrecks, wreck{ops, m.crash(cuts), keys.asOf(o), slices.Clone(acked), slices.Clone(tried)})
		}
	}
	// In some workloads operations fail while batches are appended.
	faults := rand.New(rand.NewPCG(seed, 2))
	rate := []int{0, 0, 4, 15}[r.IntN(4)]
	failing := false
	m.fault = func() error {
		if !failing || rate == 0 || faults.IntN(100) >= rate {
			return nil
		}
		return []error{syscall.EIO, syscall.ENOSPC}[faults.IntN(2)]
	}
	m.reached = func() bool { return faults.IntN(2) == 0 }
	fail := func(on bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		failing = on
	}
	l := open(t, o)
	for i := range 3 + r.IntN(12) {
		var ids []string
		for j := range 1 + r.IntN(4) {
			ids = append(ids, fmt.Sprintf("%d-%d", i, j))
		}
		m.mu.Lock()
		tried = append(tried, ids)
		m.mu.Unlock()
		fail(true)
		_, err := appendIDs(t, l, o, ids...)
		fail(false)
		if err == nil {
			m.mu.Lock()
			tried, acked = tried[:len(tried)-1], append(acked, ids)
			m.mu.Unlock()
		} else if rate == 0 && keyMode != 1 {
			t.Fatal(err)
		}
		if r.IntN(5) == 0 {
			closeLog(t, l)
			m.mu.Lock()
			o = keys.restart(o)
			if keyMode == 2 && r.IntN(2) == 0 {
				o.PreviousSigner, o.Signer = o.Signer, signer(t, signing.Ed25519)
			}
			m.mu.Unlock()
			l = open(t, o)
			keys.failNowAndThen(true)
		}
	}
	closeLog(t, l)
	m.mu.Lock()
	m.step, m.fault = nil, nil
	m.mu.Unlock()
	checkWreck(t, first, wreck{ops, m, keys.asOf(o), acked, tried})
	for _, w := range wrecks {
		checkWreck(t, first, w)
		if t.Failed() {
			t.Logf("after operation %d of %d; what was left: %q", w.at, ops, listing(w.left))
			break
		}
	}
	return len(wrecks)
}

func listing(m *model) (names []string) {
	for name, f := range m.view() {
		names = append(names, fmt.Sprintf("%s %d", name, len(f.Data)))
	}
	slices.Sort(names)
	return names
}

// checkWreck restarts on a wreck; first is the key that an auditor has.
func checkWreck(t *testing.T, first *signing.Signer, w wreck) {
	t.Helper()
	o := w.o
	o.FS = w.left
	l, err := rotation.Open(context.Background(), o)
	if err != nil {
		t.Errorf("the log does not open: %v", err)
		return
	}
	defer closeLog(t, l)
	if _, err := appendIDs(t, l, o, "after"); err != nil {
		t.Errorf("the log does not go on: %v", err)
		return
	}
	view := w.left.view()
	report, err := verify.Log(context.Background(), view, verify.Options{Keys: []*signing.PublicKey{first.Public()}})
	if err != nil {
		t.Errorf("verify: %v", err)
		return
	}
	if report.TamperingDetected {
		t.Errorf("verify: %+v", report.Findings)
	}
	ids, pruned := idsOf(t, view)
	has := func(batch []string) (n int) {
		for _, id := range batch {
			if slices.Contains(ids, id) {
				n++
			}
		}
		return n
	}
	for _, batch := range w.acked {
		if n := has(batch); n != len(batch) && (!pruned || n != 0) {
			t.Errorf("of the acknowledged batch %q, %d events are there", batch, n)
		}
	}
	for _, batch := range w.tried {
		if n := has(batch); n != 0 && n != len(batch) {
			t.Errorf("of the batch %q, which was not acknowledged, %d events are there", batch, n)
		}
	}
	if !slices.Contains(ids, "after") {
		t.Error("the event after the restart is not there")
	}
}

// idsOf lists the ids of a log's events, and says whether any have been pruned.
func idsOf(t *testing.T, fsys fs.FS) (ids []string, pruned bool) {
	t.Helper()
	l, err := segment.List(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range l.Segments {
		r, err := segment.Open(fsys, f.Name, -1)
		if err != nil {
			t.Fatal(err)
		}
		for {
			line, err := r.Next()
			if err != nil {
				break
			}
			parsed, err := segment.ParseEvent(line)
			if err != nil {
				continue
			}
			e, err := event.Parse(parsed.Canonical)
			if err != nil {
				t.Fatal(err)
			}
			pruned = pruned || e.Operation == "auditlog.pruned"
			if !strings.HasPrefix(e.Operation, "auditlog.") {
				ids = append(ids, e.EventID)
			}
		}
		r.Close()
	}
	return ids, pruned
}

// failSync makes the next sync of a segment fail; reached says whether its writes
// get to the disk all the same.
func failSync(m *model, reached bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reached = func() bool { return reached }
	// A segment's write comes first, then its sync; a new one is created before.
	calls := 0
	m.fault = func() error {
		if calls++; calls == 2 {
			return syscall.EIO
		}
		return nil
	}
}

// checkCrashes checks several states that a power cut may leave now.
func checkCrashes(t *testing.T, o rotation.Options, m *model, acked, tried [][]string) {
	t.Helper()
	for seed := range uint64(30) {
		m.mu.Lock()
		left := m.crash(rand.New(rand.NewPCG(seed, 0)))
		m.mu.Unlock()
		checkWreck(t, o.Signer, wreck{0, left, o, acked, tried})
	}
}

// What a failed sync left in the cache looks durable to whoever opens the log next.
func TestReopenedAfterAFailedSync(t *testing.T) {
	o := options(t)
	m := newModel()
	o.FS = m
	l := open(t, o)
	mustAppend(t, l, o, "a")
	failSync(m, false)
	_, err := appendIDs(t, l, o, "b")
	wantReason(t, err, rotation.ReasonSyncFailed)
	m.mu.Lock()
	m.fault = nil
	m.mu.Unlock()
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	mustAppend(t, l, o, "c")
	checkCrashes(t, o, m, [][]string{{"a"}, {"c"}}, [][]string{{"b"}})
	closeLog(t, l)
}

// A segment that could not be finished is not back after a power cut.
func TestUnfinishedSegmentStaysAway(t *testing.T) {
	o := options(t)
	o.MaxSegmentBytes = 5_000
	m := newModel()
	o.FS = m
	l := open(t, o)
	mustAppend(t, l, o, "a")
	m.mu.Lock()
	calls := 0
	m.reached = func() bool { return true }
	m.fault = func() error {
		if calls++; calls == 3 { // create, write, sync
			return syscall.EIO
		}
		return nil
	}
	m.mu.Unlock()
	// Too large for the segment there is, so that a new one is begun; what follows is
	// not.
	large := numbered("b", 10)
	if _, err := appendIDs(t, l, o, large...); err == nil {
		t.Fatal("no error")
	}
	mustAppend(t, l, o, "c")
	if n := len(segmentsIn(t, m.view())); n != 1 {
		t.Fatalf("%d segments, want 1", n)
	}
	checkCrashes(t, o, m, [][]string{{"a"}, {"c"}}, [][]string{large})
	closeLog(t, l)
}

func segmentsIn(t *testing.T, fsys fs.FS) []segment.File {
	t.Helper()
	l, err := segment.List(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return l.Segments
}
