// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// account is a stage that keeps account of what it is shown.
type account struct {
	mu      sync.Mutex
	staged  []string
	durable []string
	aborted int
	// commits are the numbers of those that became durable; open is that of the one admitted.
	commits []uint64
	open    uint64
	// recalled are the ids of events that the log has held.
	recalled []string
	forgot   int
	say      func() []logevent.Event
}

func (a *account) Admit(admission *stage.Admission) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open != 0 {
		panic("a commit is admitted before the last one is settled")
	}
	a.open = admission.Commit
	for b := range admission.Batches() {
		if tag, ok := b.Tag().(string); ok && b.Written(0) {
			a.staged = append(a.staged, tag)
		}
	}
	if a.say != nil && len(a.staged) > 0 {
		for _, e := range a.say() {
			admission.Say(e)
		}
	}
}

func (a *account) Settle(commit uint64, durable bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if commit != a.open {
		panic("another commit is settled than was admitted")
	}
	if durable {
		a.durable = append(a.durable, a.staged...)
		if len(a.staged) > 0 {
			a.commits = append(a.commits, commit)
		}
	} else {
		a.aborted++
	}
	a.staged, a.open = nil, 0
}

func appendTagged(t testing.TB, l *rotation.Log, o rotation.Options, id string) error {
	t.Helper()
	for {
		b := batch(t, l, o, id)
		b.SetTag(id)
		_, err := l.Append(t.Context(), b)
		b.Release()
		if !errors.Is(err, rotation.ErrKeyChanged) {
			return err
		}
	}
}

// A stage sees what is written in the order of the leaves, however many write.
func TestStageSeesTheOrderOfTheLog(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			o, a := options(t), new(account)
			o.Scope, o.Stages, o.MaxSegmentBytes = scope, []stage.Stage{a}, 20_000
			l := open(t, o)
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					for i := range 25 {
						if err := appendTagged(t, l, o, fmt.Sprintf("%d-%d", w, i)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			mustAppend(t, l, o, "without a tag")
			closeLog(t, l)
			ids := read(t, o.Directory).ids
			sameIDs(t, a.durable, ids[:len(ids)-1])
			if len(a.durable) != 200 || a.aborted != 0 {
				t.Errorf("%d durable, %d aborted", len(a.durable), a.aborted)
			}
		})
	}
}

// A stage learns that what it admitted was not written.
func TestStageLearnsOfFailures(t *testing.T) {
	o, a := options(t), new(account)
	fsys := faulty(t, o.Directory)
	o.FS, o.Stages = fsys, []stage.Stage{a}
	l := open(t, o)
	if err := appendTagged(t, l, o, "a"); err != nil {
		t.Fatal(err)
	}
	fsys.onWrite(func([]byte) (int, error) { return 0, syscall.EIO })
	if err := appendTagged(t, l, o, "b"); err == nil {
		t.Fatal("no error")
	}
	fsys.onWrite(nil)
	if err := appendTagged(t, l, o, "b"); err != nil {
		t.Fatal(err)
	}
	fsys.onSync(func() error { return syscall.EIO })
	if err := appendTagged(t, l, o, "c"); err == nil {
		t.Fatal("no error")
	}
	fsys.onSync(nil)
	if err := appendTagged(t, l, o, "d"); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	sameIDs(t, a.durable, []string{"a", "b", "d"})
	sameIDs(t, read(t, o.Directory).ids, []string{"a", "b", "d"})
	if a.aborted < 2 {
		t.Errorf("%d aborted", a.aborted)
	}
	checkGood(t, o.Directory, o.Signer)
}

// What a stage says is in the log with what it is about, in canonical form whatever
// clients have sent.
func TestWhatAStageSays(t *testing.T) {
	for _, hostile := range []string{"stream", "\xff\xfe", "\u2028\u2029", "\x00\x1b[31m\b\f\n<&>\"\\", "\U0001F600\uFFFF"} {
		o, a := options(t), new(account)
		a.say = func() []logevent.Event {
			return []logevent.Event{{Action: logevent.SequenceGap, Sequence: &logevent.Sequence{Stream: hostile, RecordID: hostile, Producer: hostile, Number: 1<<63 + 1, Expected: 1, Missing: 1 << 63}}}
		}
		o.Stages = []stage.Stage{a}
		l := open(t, o)
		if err := appendTagged(t, l, o, "a"); err != nil {
			t.Fatal(err)
		}
		closeLog(t, l)
		report := checkGood(t, o.Directory, o.Signer)
		if got := read(t, o.Directory); !slices.Contains(got.actions, "sequence_gap") {
			t.Errorf("%q: the log says %v", hostile, got.actions)
		}
		if len(report.Findings) > 0 {
			t.Errorf("%q: %+v", hostile, report.Findings)
		}
	}
}

func (a *account) Recall(line logdir.CheckedLine) error {
	parsed, err := segment.ParseEvent(nil, line.Bytes())
	if err != nil {
		return err
	}
	e, err := event.Parse(parsed.Canonical)
	if err == nil && e.Log == nil {
		a.recalled = append(a.recalled, e.EventID)
	}
	return err
}

func (a *account) Forget() { a.recalled, a.forgot = nil, a.forgot+1 }

// A stage sees what the stages before it have left, and the numbers of commits are those of
// the log. What is written fits what the stages were told.
func TestStagesInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o, a := options(t), new(account)
		fsys := faulty(t, o.Directory)
		o.Scope, o.FS = segline.ScopeCheckpoint, fsys
		o.Stages = append(remember(idempotency.Options{MaxEvents: 1000}), a)
		l := open(t, o)
		logged := map[string]bool{}
		var order []string
		for range rapid.IntRange(1, 12).Draw(rt, "appends") {
			id := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "id")
			fails := rapid.Bool().Draw(rt, "fails")
			if fails {
				fsys.onWrite(func([]byte) (int, error) { return 0, syscall.EIO })
			}
			err := appendTagged(t, l, o, id)
			fsys.onWrite(nil)
			switch {
			case logged[id] && err != nil && !fails:
				rt.Errorf("%s is there: %v", id, err)
			case !logged[id] && (err == nil) == fails:
				rt.Errorf("%s: %v, fails: %t", id, err, fails)
			case !logged[id] && err == nil:
				logged[id], order = true, append(order, id)
			}
		}
		closeLog(t, l)
		sameIDs(t, a.durable, order)
		if !slices.IsSorted(a.commits) || len(slices.Compact(slices.Clone(a.commits))) != len(order) {
			rt.Errorf("%d events in the commits %d", len(order), a.commits)
		}
	})
}

// A batch that is appended again after a failure is written whole: that a stage had dropped an
// event does not outlive the commit.
func TestDropsEndWithTheCommit(t *testing.T) {
	o, fsys := options(t), newModel()
	o.Scope, o.FS = segline.ScopeCheckpoint, fsys
	d := &dropper{drops: true}
	o.Stages = []stage.Stage{d}
	l := open(t, o)
	b := batch(t, l, o, "a", "b")
	defer b.Release()
	failSync(fsys, false)
	if _, err := l.Append(t.Context(), b, batch(t, l, o, "c")); err == nil {
		t.Fatal("no error")
	}
	fsys.Mu.Lock()
	fsys.Fault = nil
	fsys.Mu.Unlock()
	d.drops = false
	if _, err := l.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	sameIDs(t, readFS(t, fsys.View()).ids, []string{"a", "b"})
}

// dropper is a stage that drops the first event of each commit.
type dropper struct{ drops bool }

func (d *dropper) Recall(logdir.CheckedLine) error { return nil }
func (d *dropper) Forget()                         {}
func (d *dropper) Settle(uint64, bool)             {}

func (d *dropper) Admit(a *stage.Admission) {
	for e := range a.Identified() {
		if d.drops {
			e.Drop()
			return
		}
	}
}
