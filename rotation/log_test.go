// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// eachKind runs a test in both scopes with both key types.
func eachKind(t *testing.T, f func(t *testing.T, o rotation.Options)) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		for _, algorithm := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
			t.Run(fmt.Sprintf("%s/%s", scope, algorithm), func(t *testing.T) {
				o := options(t)
				o.Scope, o.Signer = scope, signingtest.New(t, algorithm)
				f(t, o)
			})
		}
	}
}

func TestAppendedEventsAreVerifiable(t *testing.T) {
	eachKind(t, func(t *testing.T, o rotation.Options) {
		var want []string
		for run := range 3 {
			l := open(t, o)
			for i := range 5 {
				ids := numbered(fmt.Sprintf("%d-%d", run, i), i+1)
				mustAppend(t, l, o, ids...)
				want = append(want, ids...)
			}
			closeLog(t, l)
		}
		report := checkGood(t, o.Directory, o.Signer)
		if report.VerifiedEvents != report.TotalEvents || int(report.TotalEvents) != len(want)+3 {
			t.Errorf("%d of %d events verified, want %d and 3 of the log's own", report.VerifiedEvents, report.TotalEvents, len(want))
		}
		got := read(t, o.Directory)
		sameIDs(t, got.ids, want)
		sameIDs(t, got.actions, []string{"opened", "opened", "opened"})
	})
}

func TestSeveralBatchesAreOneUnitInOrder(t *testing.T) {
	o := options(t)
	l := open(t, o)
	a, b := batch(t, l, o, "a1", "a2"), batch(t, l, o, "b1")
	placement, err := l.Append(context.Background(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	sameIDs(t, read(t, o.Directory).ids, []string{"a1", "a2", "b1"})
	// The header, the event "opened" and their commit, these three and theirs.
	if placement.FirstIndex != 3 || placement.TreeSize != 7 || placement.Segment != segmentNames(t, o.Directory)[0] {
		t.Errorf("placement %+v", placement)
	}
}

func TestAppendRefusesWhatTheScopeDoesNotAllow(t *testing.T) {
	o := options(t)
	l := open(t, o)
	defer closeLog(t, l)
	encode := func(dst []byte) ([]byte, uint64, error) { return append(dst, "{}"...), 0, nil }
	b := l.NewBatch()
	if err := b.Add(encode, nil, ""); err == nil {
		t.Error("scope event took an event without a signature")
	}
	noSignature := func([]byte) ([]byte, error) { return nil, nil }
	if err := b.Add(encode, noSignature, "x"); err == nil {
		t.Error("scope event took an event with an empty signature")
	}
	broken := errors.New("the token is gone")
	err := b.Add(encode, func([]byte) ([]byte, error) { return nil, broken }, "x")
	var signingError *stage.SigningError
	if !errors.As(err, &signingError) || !errors.Is(err, broken) {
		t.Errorf("got %v, want a SigningError", err)
	}
	if b.Len() != 0 {
		t.Errorf("%d events in the batch after failures", b.Len())
	}
	if _, err := l.Append(t.Context(), b); err == nil {
		t.Error("an empty batch was taken")
	}
	huge := func(dst []byte) ([]byte, uint64, error) {
		return append(dst, make([]byte, segline.MaxBytes)...), 0, nil
	}
	if err := b.Add(huge, l.Sign(o.Signer), o.Signer.Public().ID()); !errors.As(err, new(*stage.TooLargeError)) {
		t.Errorf("got %v, want a TooLargeError", err)
	}
}

// Calls that arrive while a commit is being synced share the next.
func TestGroupCommit(t *testing.T) {
	o := options(t)
	fsys := faulty(t, o.Directory)
	w := newWatcher()
	o.FS, o.Observer = fsys, w
	l := open(t, o)

	held, release := make(chan struct{}), make(chan struct{})
	fsys.onSync(func() error { close(held); <-release; return nil })
	var wg sync.WaitGroup
	wg.Go(func() { mustAppend(t, l, o, "first") })
	<-held
	fsys.onSync(nil)
	const callers = 50
	joined := make(chan struct{}, callers)
	for i := range callers {
		b := batch(t, l, o, fmt.Sprintf("id-%02d", i))
		wg.Go(func() {
			joined <- struct{}{}
			if _, err := l.Append(context.Background(), b); err != nil {
				t.Error(err)
			}
		})
	}
	for range callers {
		<-joined
	}
	rotation.AwaitGroup(l, callers)
	close(release)
	wg.Wait()
	closeLog(t, l)
	last := w.commits[len(w.commits)-1]
	if last.Calls != callers || last.Events != callers {
		t.Errorf("the last commit served %d calls with %d events, want %d", last.Calls, last.Events, callers)
	}
	if got := read(t, o.Directory).ids; len(got) != callers+1 {
		t.Errorf("%d events, want %d", len(got), callers+1)
	}
	checkGood(t, o.Directory, o.Signer)
}

func TestConcurrentAppends(t *testing.T) {
	o := options(t)
	o.Scope = segline.ScopeCheckpoint
	o.MaxSegmentBytes = 20_000
	l := open(t, o)
	var wg sync.WaitGroup
	const callers, calls = 8, 50
	for c := range callers {
		wg.Go(func() {
			for i := range calls {
				mustAppend(t, l, o, fmt.Sprintf("%d-%d", c, i))
			}
		})
	}
	wg.Wait()
	closeLog(t, l)
	got := read(t, o.Directory).ids
	slices.Sort(got)
	if len(slices.Compact(got)) != callers*calls {
		t.Errorf("%d distinct events, want %d", len(got), callers*calls)
	}
	checkGood(t, o.Directory, o.Signer)
}

func TestRotationBySize(t *testing.T) {
	eachKind(t, func(t *testing.T, o rotation.Options) {
		o.MaxSegmentBytes = 4_000
		l := open(t, o)
		want := numbered("id", 60)
		for _, id := range want {
			mustAppend(t, l, o, id)
		}
		closeLog(t, l)
		names := segmentNames(t, o.Directory)
		if len(names) < 5 {
			t.Fatalf("%d segments", len(names))
		}
		for _, name := range names {
			info, err := os.Stat(filepath.Join(o.Directory, name))
			if err != nil || info.Size() > o.MaxSegmentBytes+2_500 {
				t.Errorf("%s: %d bytes, %v", name, info.Size(), err)
			}
		}
		sameIDs(t, read(t, o.Directory).ids, want)
		checkGood(t, o.Directory, o.Signer)
	})
}

// A batch larger than a segment may be lands whole in one segment.
func TestBatchLargerThanASegment(t *testing.T) {
	o := options(t)
	o.MaxSegmentBytes = 1_000
	l := open(t, o)
	mustAppend(t, l, o, "a")
	placement := mustAppend(t, l, o, numbered("id", 50)...)
	mustAppend(t, l, o, "b")
	closeLog(t, l)
	report := checkGood(t, o.Directory, o.Signer)
	if len(report.Segments) != 3 {
		t.Errorf("%d segments, want 3", len(report.Segments))
	}
	if placement.Segment != segmentNames(t, o.Directory)[1] {
		t.Errorf("the batch is in %s", placement.Segment)
	}
}

func TestRotationByAge(t *testing.T) {
	o := options(t)
	c := newClock()
	o.Now, o.MaxSegmentAge = c.Now, time.Hour
	l := open(t, o)
	mustAppend(t, l, o, "a")
	c.advance(59 * time.Minute)
	mustAppend(t, l, o, "b")
	c.advance(time.Minute)
	mustAppend(t, l, o, "c")
	closeLog(t, l)
	if n := len(segmentNames(t, o.Directory)); n != 2 {
		t.Errorf("%d segments, want 2", n)
	}
	sameIDs(t, read(t, o.Directory).actions, []string{"opened", "rotated"})
	checkGood(t, o.Directory, o.Signer)
}

// A segment that holds events is sealed at its age though none follow; one that
// holds none stays.
func TestRotationByAgeWhileIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		w := newWatcher()
		o.Observer, o.MaxSegmentAge = w, 10*time.Millisecond
		l := open(t, o)
		mustAppend(t, l, o, "a")
		w.await(t, "the second segment", func() bool { return w.segments == 2 })
		closeLog(t, l)
		if n := len(segmentNames(t, o.Directory)); n != 2 {
			t.Errorf("%d segments, want 2", n)
		}
		checkGood(t, o.Directory, o.Signer)
	})
}

// The index orders the segments whatever the clock does.
func TestClockJumps(t *testing.T) {
	o := options(t)
	c := newClock()
	o.Now, o.MaxSegmentBytes = c.Now, 1_000
	l := open(t, o)
	want := numbered("id", 20)
	for i, id := range want {
		mustAppend(t, l, o, id)
		c.advance([]time.Duration{-48 * time.Hour, 30 * 24 * time.Hour, 0}[i%3])
	}
	closeLog(t, l)
	sameIDs(t, read(t, o.Directory).ids, want)
	checkGood(t, o.Directory, o.Signer)
}

func TestCompression(t *testing.T) {
	for _, c := range []compression.Method{compression.Zstd, compression.Gzip} {
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := options(t)
				w := newWatcher()
				o.Observer, o.Compression, o.MaxSegmentBytes = w, c, 3_000
				l := open(t, o)
				want := numbered("id", 20)
				for _, id := range want {
					mustAppend(t, l, o, id)
				}
				w.await(t, "compression", func() bool {
					return len(w.compressedNames(t, o.Directory, c)) == w.segments-1
				})
				closeLog(t, l)
				sameIDs(t, read(t, o.Directory).ids, want)
				checkGood(t, o.Directory, o.Signer)

				// The log goes on behind compressed segments.
				l = open(t, o)
				mustAppend(t, l, o, "after")
				closeLog(t, l)
				checkGood(t, o.Directory, o.Signer)
			})
		})
	}
}

func (w *watcher) compressedNames(t testing.TB, dir string, c compression.Method) (names []string) {
	for _, name := range segmentNames(t, dir) {
		if strings.HasSuffix(name, c.Suffix()) {
			names = append(names, name)
		}
	}
	return names
}

func TestRetention(t *testing.T) {
	for name, r := range map[string]rotation.Retention{
		"by number": {MaxSegments: 3},
		"by size":   {MaxTotalBytes: 9_000},
		"by age":    {MaxAge: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := options(t)
				w, c := newWatcher(), newClock()
				o.Observer, o.Now, o.Retention, o.MaxSegmentBytes = w, c.Now, r, 3_000
				l := open(t, o)
				for _, id := range numbered("id", 20) {
					mustAppend(t, l, o, id)
					c.advance(10 * time.Minute)
				}
				w.await(t, "pruning", func() bool { return w.segments > 0 && w.segments <= 4 && len(w.commits) > 20 })
				closeLog(t, l)
				got := read(t, o.Directory)
				if !slices.Contains(got.actions, "pruned") || slices.Contains(got.ids, "id-0000") || !slices.Contains(got.ids, "id-0019") {
					t.Errorf("the log holds %q, %q", got.ids, got.actions)
				}
				checkGood(t, o.Directory, o.Signer)

				l = open(t, o)
				mustAppend(t, l, o, "after")
				closeLog(t, l)
				checkGood(t, o.Directory, o.Signer)
			})
		})
	}
}

func TestCheckpointFile(t *testing.T) {
	o := options(t)
	l := open(t, o)
	mustAppend(t, l, o, "a")
	want := l.Checkpoint()
	closeLog(t, l)
	got, err := os.ReadFile(filepath.Join(o.Directory, "checkpoint"))
	if err != nil || string(got) != string(want) {
		t.Errorf("checkpoint file %q, %v; want %q", got, err, want)
	}
	c, _, err := signing.OpenCheckpoint(got, origin, []*signing.PublicKey{o.Signer.Public()})
	if err != nil || c.Size != 5 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestPermissions(t *testing.T) {
	o := options(t)
	o.Directory = filepath.Join(o.Directory, "a", "b")
	l := open(t, o)
	mustAppend(t, l, o, "a")
	closeLog(t, l)
	err := filepath.WalkDir(filepath.Dir(o.Directory), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %#o, want %#o", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCloseRefusesLaterCalls(t *testing.T) {
	o := options(t)
	l := open(t, o)
	b := batch(t, l, o, "a")
	closeLog(t, l)
	_, err := l.Append(context.Background(), b)
	var e *rotation.Error
	if !errors.As(err, &e) || e.Reason != rotation.ReasonClosed || !errors.Is(err, rotation.ErrClosed) {
		t.Errorf("got %v", err)
	}
	closeLog(t, l)
}

// Close gives up when its context does, and what was in flight still ends.
func TestCloseWithinItsDeadline(t *testing.T) {
	o := options(t)
	fsys := faulty(t, o.Directory)
	o.FS = fsys
	l := open(t, o)
	held, release := make(chan struct{}), make(chan struct{})
	fsys.onSync(func() error { close(held); <-release; return nil })
	result := make(chan error, 1)
	b := batch(t, l, o, "a")
	go func() {
		_, err := l.Append(context.Background(), b)
		result <- err
	}()
	<-held
	fsys.onSync(nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close returned %v", err)
	}
	close(release)
	if err := <-result; err != nil {
		t.Errorf("the call in flight: %v", err)
	}
	sameIDs(t, read(t, o.Directory).ids, []string{"a"})
}

func TestAppendWithADoneContext(t *testing.T) {
	o := options(t)
	l := open(t, o)
	defer closeLog(t, l)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Append(ctx, batch(t, l, o, "a")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	sameIDs(t, read(t, o.Directory).ids, nil)
}

// A log has an id from its first header on, and keeps it.
func TestIdentity(t *testing.T) {
	o := options(t)
	o.MaxSegmentBytes = 1
	l := open(t, o)
	mustAppend(t, l, o, "a")
	mustAppend(t, l, o, "b")
	closeLog(t, l)
	id := headersOf(t, o.Directory)[0].Log
	l = open(t, o)
	mustAppend(t, l, o, "c")
	closeLog(t, l)
	for i, h := range headersOf(t, o.Directory) {
		if h.Log != id || h.Succeeds != nil {
			t.Errorf("header %d is of the log %s and succeeds %+v", i, h.Log, h.Succeeds)
		}
	}
	checkGood(t, o.Directory, o.Signer)

	o.Directory += "-other"
	other := open(t, o)
	closeLog(t, other)
	if headersOf(t, o.Directory)[0].Log == id {
		t.Error("two logs have one id")
	}
}

// A tail of more than one commit is no crash: nothing of it is cut off.
func TestTailOfMoreThanOneCommit(t *testing.T) {
	checkpoint := regexp.MustCompile(`(?m)^\{"checkpoint":.*\n`)
	for name, damage := range map[string]func(rest []byte) []byte{
		"no checkpoint is left": func(rest []byte) []byte { return checkpoint.ReplaceAll(rest, nil) },
		"an event is another, too": func(rest []byte) []byte {
			return checkpoint.ReplaceAll(bytes.Replace(rest, []byte("something"), []byte("nothing"), 1), nil)
		},
		"a checkpoint is another": func(rest []byte) []byte {
			return bytes.Replace(rest, []byte(`{"checkpoint":"test`), []byte(`{"checkpoint":"text`), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			l := open(t, o)
			for _, id := range numbered("id", 4) {
				mustAppend(t, l, o, id)
			}
			closeLog(t, l)
			path := filepath.Join(o.Directory, segmentNames(t, o.Directory)[0])
			if err := os.Remove(filepath.Join(o.Directory, sidefile.CheckpointName)); err != nil {
				t.Fatal(err)
			}
			var damaged []byte
			change(t, path, func(b []byte) []byte {
				at := checkpoint.FindAllIndex(b, 2)[1][1]
				damaged = append(b[:at:at], damage(b[at:])...)
				return damaged
			})
			l, err := rotation.Open(t.Context(), o)
			if err == nil {
				closeLog(t, l)
			}
			if !errors.Is(err, rotation.ErrDamaged) {
				t.Errorf("opened: %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, damaged) {
				t.Errorf("the file has been changed: %v", err)
			}
		})
	}
}
