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

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// account is a follower that keeps account of what it is shown.
type account struct {
	mu      sync.Mutex
	staged  []string
	durable []string
	aborted int
	// recalled are the ids of events that the log has held.
	recalled []string
	forgot   bool
	say      func(tags []any) []logevent.Event
}

func (a *account) Follow(tags []any) []logevent.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, tag := range tags {
		a.staged = append(a.staged, tag.(string))
	}
	if a.say == nil {
		return nil
	}
	return a.say(tags)
}

func (a *account) Settled(durable bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if durable {
		a.durable = append(a.durable, a.staged...)
	} else {
		a.aborted++
	}
	a.staged = nil
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

// A follower sees what is written in the order of the leaves, however many write.
func TestFollowerSeesTheOrderOfTheLog(t *testing.T) {
	for _, scope := range []segment.Scope{segment.ScopeEvent, segment.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			o, a := options(t), new(account)
			o.Scope, o.Follower, o.MaxSegmentBytes = scope, a, 20_000
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

// A follower learns that what it was shown was not written.
func TestFollowerLearnsOfFailures(t *testing.T) {
	o, a := options(t), new(account)
	fsys := faulty(t, o.Directory)
	o.FS, o.Follower = fsys, a
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

// What a follower says is in the log with what it is about, in canonical form whatever
// clients have sent.
func TestRemarks(t *testing.T) {
	for _, hostile := range []string{"stream", "\xff\xfe", "\u2028\u2029", "\x00\x1b[31m\b\f\n<&>\"\\", "\U0001F600\uFFFF"} {
		o, a := options(t), new(account)
		a.say = func(tags []any) []logevent.Event {
			if len(tags) == 0 {
				return nil
			}
			return []logevent.Event{{Action: logevent.SequenceGap, Sequence: &logevent.Sequence{Stream: hostile, RecordID: hostile, Producer: hostile, Number: 1<<63 + 1, Expected: 1, Missing: 1 << 63}}}
		}
		o.Follower = a
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

func (a *account) Recall(canonical []byte) error {
	e, err := event.Parse(canonical)
	if err == nil && e.Log == nil {
		a.recalled = append(a.recalled, e.EventID)
	}
	return err
}

func (a *account) Forget() { a.recalled, a.forgot = nil, true }
