// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// remembering are the options of a log that knows records that are sent again.
func remembering(t testing.TB, scope segline.Scope, maxEvents int) rotation.Options {
	t.Helper()
	o := options(t)
	o.Scope = scope
	o.Stages = remember(idempotency.Options{MaxEvents: maxEvents})
	return o
}

func remember(o idempotency.Options) []stage.Stage {
	return []stage.Stage{idempotency.NewStage(o)}
}

func TestRepeatsAreWrittenOnce(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			o, w := options(t), newWatcher()
			o.Scope, o.Observer = scope, w
			o.Stages = remember(idempotency.Options{MaxEvents: 1000, Observe: w.repeated})
			l := open(t, o)
			mustAppend(t, l, o, "a", "b", "c")
			mustAppend(t, l, o, "a", "b", "c") // all of it
			first := mustAppend(t, l, o, "a", "d", "b", "c", "e")
			mustAppend(t, l, o, "f", "f", "a", "f") // twice in one call
			last := mustAppend(t, l, o, "a")
			closeLog(t, l)
			got := read(t, o.Directory)
			sameIDs(t, got.ids, []string{"a", "b", "c", "d", "e", "f"})
			sameIDs(t, got.actions, []string{"opened"})
			checkGood(t, o.Directory, o.Signer)
			if first.FirstIndex != 7 || first.TreeSize != 10 {
				t.Errorf("placement of two that were written: %+v", first)
			}
			if last.TreeSize != 12 {
				t.Errorf("placement of one that was not: %+v", last)
			}
			if w.repeats != 3+3+3+1 || w.conflicts != 0 {
				t.Errorf("%d repeats, %d conflicts", w.repeats, w.conflicts)
			}
			events := 0
			for _, c := range w.commits {
				events += c.Events
			}
			if events != 6 {
				t.Errorf("%d events were written, by what the log tells", events)
			}
		})
	}
}

// A commit that only repeats what is there writes nothing at all.
func TestRepeatsWriteNothing(t *testing.T) {
	o := remembering(t, segline.ScopeCheckpoint, 10)
	l := open(t, o)
	mustAppend(t, l, o, "a")
	name := filepath.Join(o.Directory, segmentNames(t, o.Directory)[0])
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, o, "a")
	after, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(after) != string(before) {
		t.Errorf("%d bytes became %d", len(before), len(after))
	}
	closeLog(t, l)
}

func TestConflictsAreRefused(t *testing.T) {
	o, w := options(t), newWatcher()
	o.Stages = remember(idempotency.Options{MaxEvents: 1000, Observe: w.repeated})
	l := open(t, o)
	mustAppend(t, l, o, "a")
	long := strings.Repeat("x", 1000)
	mustAppend(t, l, o, long)
	for _, tt := range []struct {
		ids     []string
		refused []int32
	}{
		{[]string{"a/other"}, []int32{0}},
		{[]string{"new", "a/other", "a"}, []int32{1}},
		{[]string{"new", "b", "b/other", "c", "a/other", "a/third"}, []int32{2, 4, 5}},
		{[]string{"new", "b", "b/other", "c", "a/other", "a/third"}, []int32{2, 4, 5}}, // the client tries again
	} {
		p := mustAppend(t, l, o, tt.ids...)
		var places []int32
		for _, r := range p.Refused.Named {
			places = append(places, r.Place.Record)
			var conflict *idempotency.ConflictError
			if !errors.As(r.Err, &conflict) {
				t.Fatalf("%q: %v", tt.ids, r.Err)
			}
			if conflict.ID != tt.ids[r.Place.Record][:1] || conflict.Logged == conflict.Given || r.EventID != conflict.ID || len(r.SHA256) != 32 || r.Reason != "conflict" {
				t.Errorf("%q: %+v, %+v", tt.ids, r, conflict)
			}
			for _, want := range []string{fmt.Sprintf("%q", conflict.ID), fmt.Sprintf("%x", conflict.Logged), fmt.Sprintf("%x", conflict.Given)} {
				if !strings.Contains(r.Err.Error(), want) {
					t.Errorf("%q does not name %s", r.Err, want)
				}
			}
		}
		if !slices.Equal(places, tt.refused) {
			t.Errorf("%q: refused %d, want %d", tt.ids, places, tt.refused)
		}
	}
	if p := mustAppend(t, l, o, long+"/other"); p.Refused.Len() != 1 || len(p.Refused.Named[0].Err.Error()) > 600 || len(p.Refused.Named[0].EventID) != 128 {
		t.Errorf("of a long id: %+v", p.Refused)
	}
	closeLog(t, l)
	got := read(t, o.Directory)
	sameIDs(t, got.ids, []string{"a", long, "new", "b", "c"})
	sameIDs(t, got.actions, append([]string{"opened"}, slices.Repeat([]string{"refused"}, 9)...))
	if w.repeats != 1+1+3 || w.conflicts != 0 {
		t.Errorf("%d repeats, %d conflicts", w.repeats, w.conflicts)
	}
	checkGood(t, o.Directory, o.Signer)
}

func TestConflictsAreRecorded(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			o, w := options(t), newWatcher()
			o.Scope = scope
			o.Stages = remember(idempotency.Options{MaxEvents: 1000, RecordConflicts: true, Observe: w.repeated})
			l := open(t, o)
			mustAppend(t, l, o, "a")
			mustAppend(t, l, o, "a/second")
			mustAppend(t, l, o, "a/second", "a", "b")
			mustAppend(t, l, o, "a/third")
			closeLog(t, l)
			l = open(t, o)
			mustAppend(t, l, o, "a/second", "a", "a/third", "b")
			closeLog(t, l)
			got := read(t, o.Directory)
			sameIDs(t, got.ids, []string{"a", "a", "b", "a"})
			sameIDs(t, got.actions, []string{"opened", "id_conflict", "id_conflict", "opened"})
			said := ownLines(t, os.DirFS(o.Directory))
			if !strings.Contains(said, `"conflict":{"content_hash":"`) || !strings.Contains(said, `"event_id":"a","logged_hash":"`) {
				t.Errorf("the log says %s", said)
			}
			if w.conflicts != 2 || w.repeats != 2+4 {
				t.Errorf("%d conflicts, %d repeats", w.conflicts, w.repeats)
			}
			check(t, o.Directory, o.Signer)
		})
	}
}

// After a restart the log knows what it holds, in whatever form.
func TestRepeatsAreKnownAfterARestart(t *testing.T) {
	for _, method := range []compression.Method{compression.None, compression.Zstd, compression.Gzip} {
		t.Run(string(method), func(t *testing.T) {
			o := remembering(t, segline.ScopeEvent, 1000)
			o.MaxSegmentBytes, o.Compression = 4000, method
			l := open(t, o)
			all := numbered("e", 40)
			for i := range 8 {
				mustAppend(t, l, o, all[5*i:5*i+5]...)
			}
			closeLog(t, l)
			if n := len(segmentNames(t, o.Directory)); n < 4 {
				t.Fatalf("%d segments", n)
			}
			o.Stages = remember(idempotency.Options{MaxEvents: 1000})
			l = open(t, o)
			mustAppend(t, l, o, all...)
			closeLog(t, l)
			sameIDs(t, read(t, o.Directory).ids, all)
			checkGood(t, o.Directory, o.Signer)
		})
	}
}

// What lies beyond the number of events that are remembered is written again, before a
// restart and after.
func TestRememberedEventsAreBounded(t *testing.T) {
	for _, restart := range []bool{false, true} {
		o := remembering(t, segline.ScopeCheckpoint, 10)
		o.MaxSegmentBytes = 1
		l := open(t, o)
		all := numbered("e", 30)
		for _, id := range all {
			mustAppend(t, l, o, id)
		}
		if restart {
			closeLog(t, l)
			l = open(t, o)
		}
		if n := o.Stages[0].(*idempotency.Stage).Len(); n > 10 {
			t.Errorf("%d events are remembered", n)
		}
		mustAppend(t, l, o, all[29])
		mustAppend(t, l, o, all[27])
		mustAppend(t, l, o, all[0])
		closeLog(t, l)
		sameIDs(t, read(t, o.Directory).ids, append(numbered("e", 30), all[0]))
	}
}

func TestRememberedEventsAge(t *testing.T) {
	o := options(t)
	c := newClock()
	o.Now = c.Now
	o.Stages = remember(idempotency.Options{MaxEvents: 1000, MaxAge: time.Hour, Now: c.Now})
	l := open(t, o)
	mustAppend(t, l, o, "a")
	c.advance(50 * time.Minute)
	mustAppend(t, l, o, "a", "b")
	c.advance(50 * time.Minute)
	mustAppend(t, l, o, "c") // a is forgotten
	mustAppend(t, l, o, "a", "b")
	closeLog(t, l)
	sameIDs(t, read(t, o.Directory).ids, []string{"a", "b", "c", "a"})
}

// An event is forgotten when it is too old, though nothing else is written meanwhile, and
// so whatever others send.
func TestRememberedEventsAgeInAQuietLog(t *testing.T) {
	o := options(t)
	c := newClock()
	o.Now = c.Now
	o.Stages = remember(idempotency.Options{MaxEvents: 1000, MaxAge: time.Second, Now: c.Now})
	l := open(t, o)
	mustAppend(t, l, o, "a")
	c.advance(time.Second)
	mustAppend(t, l, o, "a")
	c.advance(time.Millisecond)
	mustAppend(t, l, o, "a/another")
	mustAppend(t, l, o, "a/another")
	c.advance(time.Minute)
	mustAppend(t, l, o, "a/another")
	closeLog(t, l)
	sameIDs(t, read(t, o.Directory).ids, []string{"a", "a", "a"})
	check(t, o.Directory, o.Signer)
}

// A call whose copy is under way in another one is answered with that.
func TestRepeatsAtTheSameTime(t *testing.T) {
	o := remembering(t, segline.ScopeCheckpoint, 10_000)
	l := open(t, o)
	all := numbered("e", 200)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 40 {
				if _, err := appendIDs(t, l, o, all[5*i:5*i+5]...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	closeLog(t, l)
	got := read(t, o.Directory).ids
	seen := map[string]bool{}
	for _, id := range got {
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
	}
	if len(seen) != len(all) {
		t.Errorf("%d of %d events are there", len(seen), len(all))
	}
	checkGood(t, o.Directory, o.Signer)
}

// A repeat of an event whose commit is under way is not answered before that commit is. If that
// fails, nobody is told that the log has the event who has not had it written.
func TestRepeatOfWhatIsUnderWay(t *testing.T) {
	for _, tt := range []struct {
		name            string
		failing         int // syncs, from the one under way on; -1: all
		first, repeated bool
	}{
		{"it succeeds", 0, true, true},
		{"it fails, and the repeat is written", 1, false, true},
		{"all fail", -1, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := remembering(t, segline.ScopeCheckpoint, 100)
			fsys := faulty(t, o.Directory)
			o.FS = fsys
			l := open(t, o)
			begun, release, failing := make(chan struct{}), make(chan struct{}), tt.failing
			begin := sync.OnceFunc(func() { close(begun); <-release })
			fsys.onSync(func() error {
				begin()
				if failing == 0 {
					return nil
				}
				failing--
				return syscall.EIO
			})
			send := func() <-chan error {
				answer := make(chan error, 1)
				go func() {
					_, err := appendIDs(t, l, o, "a")
					answer <- err
				}()
				return answer
			}
			first := send()
			<-begun
			repeats := []<-chan error{send(), send()}
			rotation.AwaitGroup(l, len(repeats))
			for _, r := range repeats {
				select {
				case err := <-r:
					t.Errorf("a repeat is answered before the commit is: %v", err)
				default:
				}
			}
			close(release)
			if err := <-first; (err == nil) != tt.first {
				t.Errorf("the first call: %v", err)
			}
			for _, r := range repeats {
				if err := <-r; (err == nil) != tt.repeated {
					t.Errorf("a repeat: %v", err)
				}
			}
			fsys.onSync(nil)
			mustAppend(t, l, o, "a")
			closeLog(t, l)
			sameIDs(t, read(t, o.Directory).ids, []string{"a"})
			checkGood(t, o.Directory, o.Signer)
		})
	}
}

// What failed to be written is not taken for known.
func TestRepeatAfterAFailure(t *testing.T) {
	o := remembering(t, segline.ScopeCheckpoint, 100)
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
	mustAppend(t, l, o, "b")
	mustAppend(t, l, o, "b")
	checkCrashes(t, o, m, [][]string{{"a"}, {"b"}}, nil)
	closeLog(t, l)
}

// What somebody has cut off the log is written again if it comes again.
func TestRepeatOfWhatIsGone(t *testing.T) {
	o := remembering(t, segline.ScopeCheckpoint, 100)
	l := open(t, o)
	mustAppend(t, l, o, "a")
	name := filepath.Join(o.Directory, segmentNames(t, o.Directory)[0])
	if err := os.Truncate(name, 10); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, o, "a")
	mustAppend(t, l, o, "a")
	closeLog(t, l)
	names := segmentNames(t, o.Directory)
	b, err := os.ReadFile(filepath.Join(o.Directory, names[len(names)-1]))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), `"event_id":"a"`); n != 1 {
		t.Errorf("a is in the new segment %d times", n)
	}
}
