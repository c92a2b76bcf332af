// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const origin = "test.example/auditlog"

// options are those of a log with a fresh key in a fresh directory.
func options(t testing.TB) rotation.Options {
	t.Helper()
	return rotation.Options{
		Directory: filepath.Join(t.TempDir(), "log"),
		Origin:    origin,
		Signer:    signingtest.New(t, signing.ECDSAP256),
		Scope:     segline.ScopeEvent,
		Sync:      true,
	}
}

func open(t testing.TB, o rotation.Options) *rotation.Log {
	t.Helper()
	l, err := rotation.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLog(t testing.TB, l *rotation.Log) {
	t.Helper()
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// batch makes a batch of events with these ids. What stands behind a slash is no part of
// the id but of what happened.
func batch(t testing.TB, l *rotation.Log, o rotation.Options, ids ...string) *stage.Batch {
	t.Helper()
	enc, err := mapping.NewEncoder(mapping.Default())
	if err != nil {
		t.Fatal(err)
	}
	enc.SetResource(pcommon.NewResource(), "")
	enc.SetScope(pcommon.NewInstrumentationScope(), "")
	b, signer := l.NewBatch(), l.Signer()
	for _, id := range ids {
		r := plog.NewLogRecord()
		r.SetTimestamp(pcommon.Timestamp(1_800_000_000_000_000_000))
		id, more, _ := strings.Cut(id, "/")
		r.Attributes().PutStr("audit.record.id", id)
		r.Body().SetStr("something happened" + more)
		var identity eventjson.Identity
		encode := func(dst []byte) ([]byte, uint64, error) {
			start := len(dst)
			dst, info, err := enc.Append(dst, r)
			if err == nil {
				identity, _, err = eventjson.Identify(dst[start:])
			}
			return dst, info.Time, err
		}
		if o.Scope == segline.ScopeCheckpoint {
			err = b.Add(encode, nil, "")
		} else {
			err = b.Add(encode, l.Sign(signer), signer.Public().ID())
		}
		if err != nil {
			t.Fatal(err)
		}
		b.Identify(idempotency.IDOf("", identity.ID), identity.Content, stage.Place{Record: int32(b.Len() - 1)})
	}
	return b
}

func appendIDs(t testing.TB, l *rotation.Log, o rotation.Options, ids ...string) (rotation.Placement, error) {
	t.Helper()
	for {
		b := batch(t, l, o, ids...)
		placement, err := l.Append(context.Background(), b)
		b.Release()
		if !errors.Is(err, rotation.ErrKeyChanged) {
			return placement, err
		}
	}
}

func mustAppend(t testing.TB, l *rotation.Log, o rotation.Options, ids ...string) rotation.Placement {
	t.Helper()
	placement, err := appendIDs(t, l, o, ids...)
	if err != nil {
		t.Fatal(err)
	}
	return placement
}

func numbered(prefix string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s-%04d", prefix, i))
	}
	return ids
}

// logged is what a directory holds.
type logged struct {
	ids     []string // of the events of others
	actions []string // of the log's own
}

// read lists a log's events in order, without any check.
func read(t testing.TB, dir string) logged {
	t.Helper()
	return readFS(t, os.DirFS(dir))
}

func readFS(t testing.TB, fsys fs.FS) (got logged) {
	t.Helper()
	listing, err := segment.List(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range listing.Segments {
		r, err := segment.Open(fsys, f.Name, -1)
		if err != nil {
			t.Fatal(err)
		}
		for {
			line, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if segment.KindOf(line) != segline.KindEvent {
				continue
			}
			parsed, err := segment.ParseEvent(nil, line)
			if err != nil {
				t.Fatal(err)
			}
			e, err := event.Parse(parsed.Canonical)
			if err != nil {
				t.Fatal(err)
			}
			if action, own := strings.CutPrefix(e.Operation, "auditlog."); own {
				got.actions = append(got.actions, action)
			} else {
				got.ids = append(got.ids, e.EventID)
			}
		}
		r.Close()
	}
	return got
}

func sameIDs(t testing.TB, got, want []string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the log holds %d events %q\nwant %d %q", len(got), got, len(want), want)
	}
}

// check runs the verifier over a directory and returns its report.
func check(t testing.TB, dir string, s *signing.Signer) *verify.Report {
	t.Helper()
	report, err := verify.Log(context.Background(), os.DirFS(dir), verify.Options{Keys: []*signing.PublicKey{s.Public()}})
	if err != nil {
		t.Fatalf("verify %s: %v", dir, err)
	}
	return report
}

// checkGood fails if the verifier finds tampering.
func checkGood(t testing.TB, dir string, s *signing.Signer) *verify.Report {
	t.Helper()
	report := check(t, dir, s)
	if report.TamperingDetected {
		t.Fatalf("verify %s: %+v", dir, report.Findings)
	}
	return report
}

func segmentNames(t testing.TB, dir string) (names []string) {
	t.Helper()
	listing, err := segment.List(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range listing.Segments {
		names = append(names, f.Name)
	}
	return names
}

// clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = to
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// watcher records what the log reports and wakes who waits for it.
type watcher struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at each report
	commits  []rotation.Commit
	refused  []rotation.Reason
	segments int
	bytes    int64
	health   []string
	// repeats and conflicts are what repeated was told.
	repeats, conflicts int

	replies   []cosigning.Reply
	witnessed uint64
	witnesses []error // what was told of them as a whole
	states    []error // what was told of the state
}

func newWatcher() *watcher { return &watcher{changed: make(chan struct{})} }

func (w *watcher) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *watcher) Committed(c rotation.Commit) { w.note(func() { w.commits = append(w.commits, c) }) }

// repeated is for idempotency.Options.
func (w *watcher) repeated(repeats, conflicts int) {
	w.note(func() { w.repeats, w.conflicts = w.repeats+repeats, w.conflicts+conflicts })
}

func (w *watcher) Refused(r rotation.Reason, _, _ int) {
	w.note(func() { w.refused = append(w.refused, r) })
}

func (w *watcher) SegmentsChanged(n int, bytes int64) {
	w.note(func() { w.segments, w.bytes = n, bytes })
}

func (w *watcher) FreeSpace(uint64) {}

func (w *watcher) Fault(error) { w.note(func() { w.health = append(w.health, "fault") }) }

func (w *watcher) Healthy() { w.note(func() { w.health = append(w.health, "healthy") }) }

func (w *watcher) WitnessReplied(r cosigning.Reply) {
	w.note(func() { w.replies = append(w.replies, r) })
}

func (w *watcher) Witnessed(size uint64) { w.note(func() { w.witnessed = size }) }

func (w *watcher) WitnessesFault(err error) {
	w.note(func() { w.witnesses = append(w.witnesses, err) })
}

func (w *watcher) StateFault(err error) { w.note(func() { w.states = append(w.states, err) }) }

// await waits until the condition holds; it is looked at after each report.
func (w *watcher) await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		w.mu.Lock()
		changed, ok := w.changed, condition()
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited a minute for %s", what)
		}
	}
}
