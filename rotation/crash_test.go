// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

var (
	crashRounds = flag.Int("crash.rounds", 24, "how many workloads TestCrashes runs")
	crashSeed   = flag.Uint64("crash.seed", 1, "the first workload's seed")
)

// wreck is what a power cut or a kill left, and what had been promised by then.
type wreck struct {
	at    int // operation
	left  *model
	state *model // what was left of the state directory; nil if none is kept
	o     rotation.Options
	acked [][]string // batches that had been acknowledged
	tried [][]string // batches under way, or that had failed
	again *rand.Rand // if set, the restart is cut off, too, at moments drawn from it
}

// A power cut may come after any operation on the file system, and leave any part of
// what had not been synced; or the writer is killed, which leaves all. After a restart
// every batch that was acknowledged is there, each other batch is there whole or not
// at all, what was set aside is named in the log, the log verifies, and it goes on.
// All that also holds if the restart is cut off in the same way, and
// with a state that is kept in a directory of its own, which the power cut leaves as it may. With an index, what is
// sent again is in the log once.
func TestCrashes(t *testing.T) {
	t.Parallel()
	var states atomic.Int64
	t.Run("seed", func(t *testing.T) {
		for round := range *crashRounds {
			seed := *crashSeed + uint64(round)
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				states.Add(int64(crashRound(t, seed)))
			})
		}
	})
	t.Logf("%d workloads, %d states", *crashRounds, states.Load())
}

func crashRound(t *testing.T, seed uint64) (states int) {
	r := rand.New(rand.NewPCG(seed, 0))
	o := options(t)
	o.Signer = signingtest.New(t, signing.Ed25519)
	o.Scope = []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint}[r.IntN(2)]
	o.MaxSegmentBytes = []int64{0, 1, 1500, 3000}[r.IntN(4)]
	o.Compression = []compression.Method{compression.None, compression.Zstd, compression.Gzip}[r.IntN(3)]
	if r.IntN(3) == 0 {
		o.Retention.MaxSegments = 2 + r.IntN(3)
	}
	m := newModel()
	o.FS = m
	first := o.Signer
	// The key stays, each segment has its own, or the configuration changes it.
	keyMode := r.IntN(3)
	if rand.New(rand.NewPCG(seed, 4)).IntN(2) == 0 {
		o.Stages = remember(idempotency.Options{MaxEvents: 1000})
	}
	var state *model
	if rand.New(rand.NewPCG(seed, 5)).IntN(2) == 0 {
		state = m.NextTo()
		o.StateFS = state
	}
	twice := o.Stages != nil && rand.New(rand.NewPCG(seed, 6)).IntN(3) == 0
	keys := &modelKeys{t: t, current: first, chance: rand.New(rand.NewPCG(seed, 3))}
	if keyMode == 1 {
		o.SegmentKeys = keys
	}
	var wrecks []wreck
	var acked, tried [][]string
	ops := 0
	cuts := rand.New(rand.NewPCG(seed, 1)) // the model's lock guards it
	m.Step = func() {
		ops++
		if cuts.IntN(3) == 0 {
			w := wreck{ops, cutOff(m, cuts), cutOff(state, cuts), keys.asOf(o), slices.Clone(acked), slices.Clone(tried), nil}
			if cuts.IntN(4) == 0 {
				w.again = rand.New(rand.NewPCG(seed, uint64(ops)))
			}
			wrecks = append(wrecks, w)
		}
	}
	if state != nil {
		state.Step = m.Step
	}
	// In some workloads operations fail while batches are appended, and at starts.
	m.Only = nil
	faults := rand.New(rand.NewPCG(seed, 2))
	rate := []int{0, 0, 4, 15}[r.IntN(4)]
	failing := false
	m.Fault = func() error {
		if !failing || rate == 0 || faults.IntN(100) >= rate {
			return nil
		}
		return []error{syscall.EIO, syscall.ENOSPC}[faults.IntN(2)]
	}
	m.Reached = func() bool { return faults.IntN(2) == 0 }
	fail := func(on bool) {
		m.Mu.Lock()
		defer m.Mu.Unlock()
		failing = on
	}
	if state != nil {
		state.Only, state.Fault, state.Reached = nil, m.Fault, m.Reached
	}
	l := open(t, o)
	for i := range 3 + r.IntN(12) {
		var ids []string
		for j := range 1 + r.IntN(4) {
			ids = append(ids, fmt.Sprintf("%d-%d", i, j))
		}
		m.Mu.Lock()
		tried = append(tried, ids)
		m.Mu.Unlock()
		fail(true)
		// Another client sends the same meanwhile, in some workloads: what either was promised
		// counts, and what the commit of one keeps out belongs to the other's.
		other := make(chan error, 1)
		if twice {
			go func() {
				_, err := appendIDs(t, l, o, ids...)
				other <- err
			}()
		}
		_, err := appendIDs(t, l, o, ids...)
		if twice {
			if got := <-other; got == nil {
				err = nil
			}
		}
		fail(false)
		if err != nil && o.Stages != nil {
			_, err = appendIDs(t, l, o, ids...) // as clients do
		}
		if err == nil {
			m.Mu.Lock()
			tried, acked = tried[:len(tried)-1], append(acked, ids)
			m.Mu.Unlock()
		} else if rate == 0 && keyMode != 1 {
			t.Fatal(err)
		}
		if r.IntN(5) == 0 {
			closeLog(t, l)
			m.Mu.Lock()
			o = keys.restart(o)
			// A key that nothing could be written with yet is no key of the log.
			if keyMode == 2 && r.IntN(2) == 0 && l.Signer() == o.Signer {
				o.PreviousSigner, o.Signer = o.Signer, signingtest.New(t, signing.Ed25519)
			}
			m.Mu.Unlock()
			fail(true)
			l, err = rotation.Open(t.Context(), o)
			fail(false)
			if err != nil {
				if rate == 0 {
					t.Fatal(err)
				}
				m.Mu.Lock()
				o = keys.restart(o)
				m.Mu.Unlock()
				l = open(t, o)
			}
			keys.failNowAndThen(true)
		}
	}
	closeLog(t, l)
	m.Mu.Lock()
	m.Step, m.Fault = nil, nil
	if state != nil {
		state.Step, state.Fault = nil, nil
	}
	m.Mu.Unlock()
	states = checkWreck(t, first, wreck{ops, m, state, keys.asOf(o), acked, tried, nil})
	for _, w := range wrecks {
		left := listing(w.left)
		states += checkWreck(t, first, w)
		if t.Failed() {
			t.Logf("after operation %d of %d; what was left: %q", w.at, ops, left)
			break
		}
	}
	return states
}

// cutOff returns what a power cut, or a kill, may leave now.
func cutOff(m *model, r *rand.Rand) *model {
	if m == nil {
		return nil
	}
	if r.IntN(3) == 0 {
		return m.Kill()
	}
	return m.Crash(r)
}

func listing(m *model) (names []string) {
	for name, f := range m.View() {
		names = append(names, fmt.Sprintf("%s %d", name, len(f.Data)))
	}
	slices.Sort(names)
	return names
}

// checkWreck restarts on a wreck and checks the log; first is the key that an auditor
// has. It returns the number of states checked.
func checkWreck(t *testing.T, first *signing.Signer, w wreck) (states int) {
	t.Helper()
	o := w.o
	o.FS = w.left
	if w.state != nil {
		w.state.Mu = w.left.Mu // no lock is held on what is left
		o.StateFS = w.state
	}
	// Beyond those that a start reads for ids, what is sent again may be written again.
	found, err := segment.List(w.left.View())
	if err != nil {
		t.Fatal(err)
	}
	most := 1
	if len(found.Segments) > rotation.MaxRecalledSegments {
		most = 3
	}
	after := []string{fmt.Sprintf("after-%d", w.at)}
	var second []wreck
	if w.again != nil {
		w.left.Step = func() {
			if w.again.IntN(3) > 0 {
				return
			}
			now := o
			if k, ok := o.SegmentKeys.(*modelKeys); ok {
				now = k.asOf(o)
			}
			second = append(second, wreck{w.at + 1_000_000, cutOff(w.left, w.again), cutOff(w.state, w.again), now, w.acked, append(slices.Clone(w.tried), after), nil})
		}
	}
	if w.state != nil {
		w.state.Step = w.left.Step
	}
	l, err := rotation.Open(context.Background(), o)
	if err != nil {
		t.Errorf("the log does not open: %v", err)
		return 1
	}
	var errs []error
	if o.Stages != nil {
		// Clients that had no answer, or lost it, send what they have again.
		for _, ids := range slices.Concat(w.acked, w.tried) {
			_, err := appendIDs(t, l, o, ids...)
			errs = append(errs, err)
		}
	}
	_, err = appendIDs(t, l, o, after...)
	err = errors.Join(append(errs, err)...)
	w.left.Mu.Lock()
	w.left.Step = nil
	if w.state != nil {
		w.state.Step = nil
	}
	w.left.Mu.Unlock()
	if err != nil {
		t.Errorf("the log does not go on: %v", err)
	} else {
		checkRestarted(t, first, w, after[0], most)
	}
	closeLog(t, l)
	states = 1
	for i, s := range second {
		left := listing(s.left)
		states += checkWreck(t, first, s)
		if t.Failed() {
			t.Logf("the restart was cut off, too, number %d of %d: %q", i, len(second), left)
			break
		}
	}
	return states
}

// checkRestarted checks a log that was restarted and has taken another event. An event
// that was sent again is there so many times at the most.
func checkRestarted(t *testing.T, first *signing.Signer, w wreck, after string, most int) {
	t.Helper()
	view := w.left.View()
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
	if w.o.Stages != nil {
		for _, id := range slices.Concat(slices.Concat(w.acked...), slices.Concat(w.tried...)) {
			if n := count(ids, id); n > most || n == 0 && !pruned {
				t.Errorf("%q, which was sent again, is there %d times", id, n)
			}
		}
	}
	if !slices.Contains(ids, after) {
		t.Error("the event after the restart is not there")
	}
	if !pruned {
		checkTorn(t, view)
	}
}

func count(ids []string, id string) (n int) {
	for _, other := range ids {
		if other == id {
			n++
		}
	}
	return n
}

// checkTorn fails unless the log names each file with what was set aside, its size and
// its hash.
func checkTorn(t *testing.T, fsys fs.FS) {
	t.Helper()
	l, err := segment.List(fsys)
	if err != nil {
		t.Fatal(err)
	}
	said := ownLines(t, fsys)
	for _, name := range l.Torn {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`"sha256":"%x"`, sha256.Sum256(b))
		if len(b) > 0 {
			want += fmt.Sprintf(`,"size":%d`, len(b))
		}
		if !strings.Contains(said, name) || !strings.Contains(said, want) {
			t.Errorf("the log does not say that %s was set aside", name)
		}
	}
}

// idsOf lists the ids of a log's events, and says whether any have been pruned.
func idsOf(t *testing.T, fsys fs.FS) (ids []string, pruned bool) {
	t.Helper()
	l, err := segment.List(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range l.Segments {
		if i > 0 && l.Segments[i-1].Parsed.FirstIndex == f.Parsed.FirstIndex {
			continue // the same, being compressed
		}
		r, err := segment.Open(fsys, f.Name, -1)
		if err != nil {
			t.Fatal(err)
		}
		for {
			line, err := r.Next()
			if err != nil {
				break
			}
			parsed, err := segment.ParseEvent(nil, line)
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
	m.Mu.Lock()
	defer m.Mu.Unlock()
	m.Reached = func() bool { return reached }
	// A segment's write comes first, then its sync; a new one is created before.
	calls := 0
	m.Fault = func() error {
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
		m.Mu.Lock()
		left := m.Crash(rand.New(rand.NewPCG(seed, 0)))
		m.Mu.Unlock()
		checkWreck(t, o.Signer, wreck{0, left, nil, o, acked, tried, rand.New(rand.NewPCG(seed, 1))})
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
	m.Mu.Lock()
	m.Fault = nil
	m.Mu.Unlock()
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	mustAppend(t, l, o, "c")
	checkCrashes(t, o, m, [][]string{{"a"}, {"c"}}, [][]string{{"b"}})
	closeLog(t, l)
}

// outsider appends a line's beginning to the active segment, and returns its name.
func outsider(m *model) (active string) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	for _, name := range m.Names() {
		if _, err := segment.ParseName(name); err == nil {
			active = name
			m.Outside(name, func(b []byte) []byte { return append(b, `{"event":{"agent_id":`...) })
		}
	}
	return active
}

// failCall makes one operation on a file fail, though it has its effect.
func failCall(m *model, name string, number int) (failed func() bool) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	m.Reached = func() bool { return true }
	calls := 0
	m.Fault = func() error {
		if m.Asked == name {
			if calls++; calls == number {
				return syscall.ENOSPC
			}
		}
		return nil
	}
	return func() bool {
		m.Mu.Lock()
		defer m.Mu.Unlock()
		return calls >= number
	}
}

// What has been set aside is named in the log, though only the second try could make
// it durable that it is cut off.
func TestCutOffAtTheSecondTry(t *testing.T) {
	check := func(t *testing.T, m *model, failed bool) {
		t.Helper()
		if !failed {
			t.Error("no operation failed")
		}
		view := m.View()
		if listing, err := segment.List(view); err != nil || len(listing.Torn) != 1 {
			t.Errorf("set aside: %q, %v", listing.Torn, err)
		}
		checkTorn(t, view)
	}
	t.Run("start", func(t *testing.T) {
		o := options(t)
		m := newModel()
		o.FS = m
		l := open(t, o)
		mustAppend(t, l, o, "a")
		closeLog(t, l)
		// The start syncs what is there, cuts the tail off, and syncs again.
		failed := failCall(m, outsider(m), 3)
		l = open(t, o)
		mustAppend(t, l, o, "b")
		closeLog(t, l)
		check(t, m, failed())
	})
	t.Run("repair", func(t *testing.T) {
		o := options(t)
		m := newModel()
		o.FS = m
		l := open(t, o)
		mustAppend(t, l, o, "a")
		failed := failCall(m, outsider(m), 2) // cut off, sync
		if _, err := appendIDs(t, l, o, "b"); err == nil {
			t.Error("no error")
		}
		mustAppend(t, l, o, "c")
		closeLog(t, l)
		check(t, m, failed())
	})
}

// No segment is deleted before what stands for it is durable, though a failed sync has
// left that in the cache, where it looks as if it were.
func TestPrunedRangesAfterAFailedSync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		o.MaxSegmentBytes, o.Retention.MaxSegments = 1, 2
		m := newModel()
		o.FS = m
		failed, deleted := make(chan struct{}), make(chan struct{})
		calls := 0
		m.Only = nil
		m.Reached = func() bool { return false }
		m.Fault = func() error {
			if m.Asked == sidefile.PrunedRangesName {
				if calls++; calls == 4 { // create, truncate, write, sync
					close(failed)
					return syscall.EIO
				}
			}
			return nil
		}
		begun := false
		m.Step = func() {
			there := slices.ContainsFunc(m.Names(), func(name string) bool { return strings.HasPrefix(name, "audit-00000000000000000000-") })
			if begun && !there {
				close(deleted)
				m.Step = nil
			}
			begun = begun || there
		}
		l := open(t, o)
		acked := [][]string{{"a"}, {"b"}, {"c"}}
		for _, ids := range acked {
			mustAppend(t, l, o, ids...)
		}
		<-failed
		mustAppend(t, l, o, "d") // upkeep wakes up, and tries again
		<-deleted
		m.Mu.Lock()
		left := m.Crash(rand.New(rand.NewPCG(1, 0)))
		m.Mu.Unlock()
		if r, err := verify.Log(t.Context(), left.View(), verify.Options{Keys: []*signing.PublicKey{o.Signer.Public()}}); err != nil || r.TamperingDetected {
			t.Errorf("%+v, %v", r, err)
		}
		closeLog(t, l)
	})
}

// A segment that could not be finished is not back after a power cut.
func TestUnfinishedSegmentStaysAway(t *testing.T) {
	o := options(t)
	o.MaxSegmentBytes = 5_000
	m := newModel()
	o.FS = m
	l := open(t, o)
	mustAppend(t, l, o, "a")
	m.Mu.Lock()
	calls := 0
	m.Reached = func() bool { return true }
	m.Fault = func() error {
		if calls++; calls == 3 { // create, write, sync
			return syscall.EIO
		}
		return nil
	}
	m.Mu.Unlock()
	// Too large for the segment there is, so that a new one is begun; what follows is
	// not.
	large := numbered("b", 10)
	if _, err := appendIDs(t, l, o, large...); err == nil {
		t.Fatal("no error")
	}
	mustAppend(t, l, o, "c")
	if n := len(segmentsIn(t, m.View())); n != 1 {
		t.Fatalf("%d segments, want 1", n)
	}
	checkCrashes(t, o, m, [][]string{{"a"}, {"c"}}, [][]string{large})
	closeLog(t, l)
}

// What a killed writer has left in the cache is durable before anything is built upon
// it: the key is destroyed that the segment before is signed with, the next change of the
// key is written behind it. Power may be cut during the restart.
func TestKilledBetweenTwoKeys(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) { killedBetweenTwoKeys(t, scope) })
	}
}

func killedBetweenTwoKeys(t *testing.T, scope segline.Scope) {
	t.Parallel()
	o := options(t)
	o.Scope, o.MaxSegmentBytes = scope, 1
	first := o.Signer
	keys := &modelKeys{t: t, current: first}
	o.SegmentKeys = keys
	m := newModel()
	o.FS = m
	var wrecks, cached []wreck
	var acked, tried [][]string
	m.Step = func() {
		at := len(wrecks)
		wrecks = append(wrecks, wreck{at, m.Kill(), nil, keys.asOf(o), slices.Clone(acked), slices.Clone(tried), rand.New(rand.NewPCG(uint64(at), 0))})
		if m.Last == sidefile.KeyChangesName {
			cached = append(cached, wreck{left: m.Kill(), o: keys.asOf(o)})
		}
	}
	l := open(t, o)
	for _, id := range numbered("id", 4) {
		m.Mu.Lock()
		tried = [][]string{{id}}
		m.Mu.Unlock()
		mustAppend(t, l, o, id)
		m.Mu.Lock()
		tried, acked = nil, append(acked, []string{id})
		m.Mu.Unlock()
	}
	m.Mu.Lock()
	m.Step = nil
	m.Mu.Unlock()
	closeLog(t, l)
	for _, w := range wrecks {
		checkWreck(t, first, w)
	}
	for _, w := range cached {
		w.o.FS = w.left
		l := open(t, w.o)
		w.left.Mu.Lock()
		if now, durable := w.left.Content(sidefile.KeyChangesName); !bytes.Equal(now, durable) {
			t.Errorf("%d of %d bytes of %s are durable after a start", len(durable), len(now), sidefile.KeyChangesName)
		}
		w.left.Mu.Unlock()
		closeLog(t, l)
	}
}

// A segment that is set aside is durable before the log says what it holds.
func TestTornSegmentIsKept(t *testing.T) {
	o := options(t)
	o.MaxSegmentBytes = 1
	m := newModel()
	o.FS = m
	l := open(t, o)
	mustAppend(t, l, o, "a")
	m.Mu.Lock()
	calls := 0
	m.Fault = func() error {
		if calls++; calls > 1 { // after the creation: the write, and the removal
			return syscall.EIO
		}
		return nil
	}
	m.Mu.Unlock()
	if _, err := appendIDs(t, l, o, "b"); err == nil {
		t.Fatal("no error")
	}
	for seed := range uint64(30) {
		m.Mu.Lock()
		left := m.Kill()
		m.Mu.Unlock()
		checkWreck(t, o.Signer, wreck{0, left, nil, o, [][]string{{"a"}}, [][]string{{"b"}}, rand.New(rand.NewPCG(seed, 0))})
	}
	m.Mu.Lock()
	m.Fault = nil
	m.Mu.Unlock()
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
