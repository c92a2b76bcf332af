// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// The tests run on a clock that stands still while anybody works and jumps while all
// wait, so that intervals and time-outs pass at once and always alike.

const interval = 10 * time.Second

// witnessed are the options of a log with so many witnesses that know it.
func witnessed(t testing.TB, n int) (rotation.Options, []*witnesstest.Witness) {
	t.Helper()
	o := options(t)
	o.CheckpointSigner = signingtest.New(t, signing.Ed25519)
	o.Observer = newWatcher()
	var all []*witnesstest.Witness
	for i := range n {
		w := witnesstest.New(t, fmt.Sprintf("witness.example/w%d", i+1))
		w.Trust(t, origin, o.CheckpointSigner.Public())
		all = append(all, w)
		o.Witnesses = append(o.Witnesses, w)
	}
	return o, all
}

// heard is what an observer has been told of witnesses.
type heard struct {
	replies   []cosigning.Reply
	witnessed uint64
	witnesses []error
}

// told returns what the observer of the options has been told.
func told(o rotation.Options) (h heard) {
	w := o.Observer.(*watcher)
	w.note(func() { h = heard{slices.Clone(w.replies), w.witnessed, slices.Clone(w.witnesses)} })
	return h
}

// own are the events that a log has written of itself.
type ownEvent struct {
	index      uint64
	Action     string
	Checkpoint string
	Detail     string
	Reason     string
	Size       uint64
	Witness    string
}

// saidIn lists what the log says of itself, by action.
func saidIn(t testing.TB, dir string) map[string][]ownEvent {
	t.Helper()
	fsys := os.DirFS(dir)
	listing, err := segment.List(fsys)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]ownEvent{}
	for _, f := range listing.Segments {
		r, err := segment.Open(fsys, f.Name, -1)
		if err != nil {
			t.Fatal(err)
		}
		index := f.Parsed.FirstIndex
		for {
			line, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if segment.KindOf(line) == segline.KindCheckpoint {
				continue
			}
			if parsed, err := segment.ParseEvent(nil, line); err == nil {
				e, err := event.Parse(parsed.Canonical)
				if err != nil {
					t.Fatal(err)
				}
				if e.Log != nil {
					o := ownEvent{index: index}
					if err := json.Unmarshal(e.Log, &o); err != nil {
						t.Fatal(err)
					}
					all[o.Action] = append(all[o.Action], o)
				}
			}
			index++
		}
		r.Close()
	}
	return all
}

// cosigners returns the names of the witnesses that have cosigned a note.
func cosigners(note string, all []*witnesstest.Witness) (names []string) {
	for _, w := range all {
		if _, err := w.Key.Cosignature([]byte(note)); err == nil {
			names = append(names, w.Name())
		}
	}
	return names
}

// filed returns the size of the checkpoint in the checkpoint file, and who has cosigned
// it.
func filed(t testing.TB, o rotation.Options, all []*witnesstest.Witness) (size uint64, names []string) {
	t.Helper()
	note, err := os.ReadFile(filepath.Join(o.Directory, sidefile.CheckpointName))
	if err != nil {
		t.Fatal(err)
	}
	c, err := signing.ParseCheckpoint(note)
	if err != nil {
		t.Fatal(err)
	}
	return c.Size, cosigners(string(note), all)
}

// checkWitnessed verifies the log with all witnesses and a quorum.
func checkWitnessed(t testing.TB, o rotation.Options, all []*witnesstest.Witness, quorum int) *verify.Report {
	t.Helper()
	vo := verify.Options{Keys: []*signing.PublicKey{o.Signer.Public()}, Quorum: quorum}
	for _, w := range all {
		vo.Witnesses = append(vo.Witnesses, w.Key)
	}
	report, err := verify.Log(context.Background(), os.DirFS(o.Directory), vo)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestWitnessesCosignWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 3)
		l := open(t, o)
		time.Sleep(time.Second)
		// The first round comes at once: it shows whether the log was rolled back.
		opened := saidIn(t, o.Directory)
		if got := opened["witnessed"]; len(got) != 1 || got[0].Size != 3 {
			t.Fatalf("after the start the log says %+v", opened)
		}
		var last uint64
		for i := range 5 {
			last = mustAppend(t, l, o, numbered(fmt.Sprint(i), 7)...).TreeSize
			mustAppend(t, l, o, fmt.Sprint("one more ", i))
			time.Sleep(interval)
		}
		for _, w := range all {
			if w.Size(origin) != last+2 || w.Asked() != 6 {
				t.Errorf("%s has been asked %d times and cosigned %d leaves of %d", w.Name(), w.Asked(), w.Size(origin), last+2)
			}
		}
		// An idle log comes to rest: the events about witnesses are no reason to ask
		// them again.
		before, err := signing.ParseCheckpoint(l.Checkpoint())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * interval)
		after, err := signing.ParseCheckpoint(l.Checkpoint())
		if err != nil {
			t.Fatal(err)
		}
		if after.Size != before.Size || all[0].Asked() != 6 {
			t.Errorf("the idle log grew from %d to %d leaves; the witness was asked %d times", before.Size, after.Size, all[0].Asked())
		}
		closeLog(t, l)
		if all[0].Asked() != 6 {
			t.Errorf("the witness was asked %d times", all[0].Asked())
		}
		events := saidIn(t, o.Directory)["witnessed"]
		if len(events) != 6 {
			t.Fatalf("the log says %d times that it was witnessed", len(events))
		}
		for _, e := range events {
			c, err := signing.ParseCheckpoint([]byte(e.Checkpoint))
			if err != nil || c.Size != e.Size || len(cosigners(e.Checkpoint, all)) != 3 {
				t.Errorf("%+v: %v", e, err)
			}
		}
		if size, names := filed(t, o, all); size != last+2 || len(names) != 3 {
			t.Errorf("the checkpoint file is of %d leaves and cosigned by %q", size, names)
		}
		report := checkWitnessed(t, o, all, 3)
		if report.TamperingDetected || report.WitnessedSize != last+2 {
			t.Errorf("witnessed up to %d, want %d: %+v", report.WitnessedSize, last+2, report.Findings)
		}
		w := told(o)
		if w.witnessed != last+2 || len(w.replies) != 18 || len(w.witnesses) != 0 {
			t.Errorf("the observer was told: %d leaves, %d replies, problems %v", w.witnessed, len(w.replies), w.witnesses)
		}
	})
}

// stuck makes a witness take requests and never answer.
func stuck(w *witnesstest.Witness) {
	w.Misbehave(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// dead makes a witness fail at once.
func dead(w *witnesstest.Witness) {
	w.Misbehave(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "gone", http.StatusBadGateway) })
}

// While a witness holds a request, appending goes on: time does not pass for it.
func TestASlowWitnessDelaysNoWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 1)
		asked, release := make(chan struct{}), make(chan struct{})
		all[0].Misbehave(func(rw http.ResponseWriter, r *http.Request) {
			close(asked)
			<-release
			all[0].Misbehave(nil)
			all[0].Behave(rw, r)
		})
		l := open(t, o)
		<-asked
		start := time.Now()
		for i := range 100 {
			mustAppend(t, l, o, fmt.Sprint(i))
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("100 appends took %s while a witness was being asked", waited)
		}
		close(release)
		time.Sleep(2 * interval)
		closeLog(t, l)
		// What it had been asked before counts as well.
		if events := saidIn(t, o.Directory)["witnessed"]; len(events) != 2 || events[0].Size != 3 || events[0].index < 203 {
			t.Errorf("the log says %+v", events)
		}
		if report := checkWitnessed(t, o, all, 1); report.TamperingDetected {
			t.Errorf("%+v", report.Findings)
		}
	})
}

// A witness that never answers is asked less and less often, keeps no other from being
// heard, and is back as soon as it answers.
func TestADeadWitnessIsAskedLessAndLess(t *testing.T) {
	for name, fail := range map[string]func(*witnesstest.Witness){"dead": dead, "stuck": stuck} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, all := witnessed(t, 3)
				o.WitnessQuorum = 2
				fail(all[1])
				l := open(t, o)
				time.Sleep(time.Second) // between two rounds
				var last uint64
				const rounds = 200
				for i := range rounds {
					last = mustAppend(t, l, o, fmt.Sprint(i)).TreeSize
					time.Sleep(interval)
				}
				if n := all[1].Asked(); n < 8 || n > 40 {
					t.Errorf("in %d intervals the witness that fails was asked %d times", rounds, n)
				}
				if n := all[0].Asked(); n < rounds {
					t.Errorf("in %d intervals one that does not was asked %d times", rounds, n)
				}
				if size, names := filed(t, o, all); size < last || len(names) != 2 {
					t.Errorf("the checkpoint file is of %d leaves, not %d, cosigned by %q", size, last, names)
				}
				if w := told(o); w.witnessed < last || len(w.witnesses) != 0 {
					t.Errorf("a quorum has cosigned %d leaves of %d; problems %v", w.witnessed, last, w.witnesses)
				}
				all[1].Misbehave(nil)
				last = mustAppend(t, l, o, "more").TreeSize
				time.Sleep(100 * interval)
				// The log is idle by now; the late cosignature is added all the same. What the log says
				// of witnesses may have come behind the last event before they were asked, once for each
				// of them at the most: no more is cosigned for its own sake.
				covers := func(size uint64) bool { return size >= last && size <= last+uint64(len(all)) }
				if !covers(all[1].Size(origin)) {
					t.Errorf("the witness that is back has cosigned %d leaves of %d", all[1].Size(origin), last)
				}
				closeLog(t, l)
				events := saidIn(t, o.Directory)["witnessed"]
				newest := events[len(events)-1]
				if got := cosigners(newest.Checkpoint, all); !covers(newest.Size) || len(got) != 3 {
					t.Errorf("the newest cosigned checkpoint is of %d leaves, by %q", newest.Size, got)
				}
				if report := checkWitnessed(t, o, all, 3); report.TamperingDetected || !covers(report.WitnessedSize) {
					t.Errorf("witnessed up to %d: %+v", report.WitnessedSize, report.Findings)
				}
			})
		})
	}
}

// While no quorum answers, the checkpoint file goes on without one, and status and log
// tell how far each witness is.
func TestWithoutAQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 2)
		l := open(t, o)
		time.Sleep(time.Second)
		good := mustAppend(t, l, o, "a").TreeSize
		time.Sleep(interval)
		dead(all[1])
		mustAppend(t, l, o, "b")
		time.Sleep(3 * interval)
		if size, names := filed(t, o, all); size != good || len(names) != 2 {
			t.Errorf("for three intervals the file should stay: it is of %d leaves, not %d, cosigned by %q", size, good, names)
		}
		if len(told(o).witnesses) != 0 {
			t.Errorf("there is a problem too early: %v", told(o).witnesses)
		}
		time.Sleep(3 * interval)
		newest := mustAppend(t, l, o, "c").TreeSize
		time.Sleep(interval)
		if size, names := filed(t, o, all); size < newest || len(names) != 0 {
			t.Errorf("the file is of %d leaves of %d, cosigned by %q", size, newest, names)
		}
		problems := told(o).witnesses
		if len(problems) != 1 || problems[0] == nil {
			t.Fatalf("the observer was told of the problems %v", problems)
		}
		for _, word := range []string{"fewer than 2 of 2 witnesses", "witness.example/w1 has cosigned", fmt.Sprintf("witness.example/w2 has cosigned %d leaves: status 502", good)} {
			if !strings.Contains(problems[0].Error(), word) {
				t.Errorf("the problem does not say %q: %v", word, problems[0])
			}
		}
		all[1].Misbehave(nil)
		time.Sleep(100 * interval)
		problems = told(o).witnesses
		if len(problems) != 2 || problems[1] != nil {
			t.Errorf("the problem is not over: %v", problems)
		}
		// The file has gone beyond what they cosigned, so it waits for something new.
		newest = mustAppend(t, l, o, "d").TreeSize
		time.Sleep(2 * interval)
		if size, names := filed(t, o, all); size < newest || len(names) != 2 {
			t.Errorf("the file is of %d leaves of %d, cosigned by %q", size, newest, names)
		}
		closeLog(t, l)
	})
}

// The checkpoint file never gets older: not when a cosigned checkpoint arrives that is
// behind the plain one which the file has by then.
func TestTheCheckpointFileNeverGetsOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 1)
		dead(all[0])
		l := open(t, o)
		before := uint64(0)
		for i := range 300 {
			mustAppend(t, l, o, fmt.Sprint(i))
			switch i % 40 {
			case 10:
				all[0].Misbehave(nil)
			case 30:
				stuck(all[0])
			}
			time.Sleep(interval / 2)
			size, _ := filed(t, o, all)
			if size < before {
				t.Fatalf("the file went from %d leaves back to %d", before, size)
			}
			before = size
		}
		all[0].Misbehave(nil)
		closeLog(t, l)
	})
}

// Closing asks once more, and takes no longer than two seconds for it.
func TestClosingAsksOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 2)
		o.WitnessQuorum = 1
		l := open(t, o)
		time.Sleep(time.Second)
		stuck(all[1])
		last := mustAppend(t, l, o, "a").TreeSize
		start := time.Now()
		closeLog(t, l)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("closing took %s", took)
		}
		if size, names := filed(t, o, all); size != last || !slices.Equal(names, []string{"witness.example/w1"}) {
			t.Errorf("the file is of %d leaves, not %d, cosigned by %q", size, last, names)
		}
		events := saidIn(t, o.Directory)["witnessed"]
		if newest := events[len(events)-1]; newest.Size != last {
			t.Errorf("the newest cosigned checkpoint is of %d leaves of %d", newest.Size, last)
		}

		// A witness that is known to fail is not waited for.
		dead(all[0])
		l = open(t, o)
		time.Sleep(20 * interval)
		last = mustAppend(t, l, o, "b").TreeSize
		start = time.Now()
		closeLog(t, l)
		if took := time.Since(start); took != 0 {
			t.Errorf("closing took %s with witnesses that are known to fail", took)
		}
		if size, _ := filed(t, o, all); size < last {
			t.Errorf("the file is of %d leaves of %d", size, last)
		}
	})
}

// While the log waits for witnesses as it is closed, it can be looked at.
func TestClosingHoldsNothingWhileItWaitsForWitnesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 1)
		l := open(t, o)
		time.Sleep(time.Second)
		asked := make(chan struct{})
		all[0].Misbehave(func(_ http.ResponseWriter, r *http.Request) {
			close(asked)
			<-r.Context().Done()
		})
		last := mustAppend(t, l, o, "a").TreeSize
		closed := make(chan error)
		go func() { closed <- l.Close(context.Background()) }()
		<-asked
		start := time.Now()
		c, err := signing.ParseCheckpoint(l.Checkpoint())
		if err != nil || c.Size != last {
			t.Errorf("the newest checkpoint is %+v, not of %d leaves: %v", c, last, err)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("it was waited for for %s", waited)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// Without a cosignature for it, the last checkpoint still goes to the file.
func TestClosingWithoutWitnesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 1)
		l := open(t, o)
		time.Sleep(time.Second)
		stuck(all[0])
		last := mustAppend(t, l, o, "a").TreeSize
		closeLog(t, l)
		if size, names := filed(t, o, all); size != last || len(names) != 0 {
			t.Errorf("the file is of %d leaves, not %d, cosigned by %q", size, last, names)
		}
	})
}

// A restart goes on from where each witness is, with a proof from the log's files.
func TestARestartGoesOnFromWhereTheWitnessIs(t *testing.T) {
	for name, change := range map[string]func(*rotation.Options){
		"one segment":           func(*rotation.Options) {},
		"a segment a commit":    func(o *rotation.Options) { o.MaxSegmentBytes = 1 },
		"checkpoints only":      func(o *rotation.Options) { o.Scope = segline.ScopeCheckpoint; o.MaxSegmentBytes = 3000 },
		"without sync":          func(o *rotation.Options) { o.Sync = false; o.MaxSegmentBytes = 3000 },
		"some segments":         func(o *rotation.Options) { o.MaxSegmentBytes = 3000 },
		"a witness interval":    func(o *rotation.Options) { o.WitnessInterval = time.Minute },
		"one witness of each 2": func(o *rotation.Options) { o.WitnessQuorum = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, all := witnessed(t, 2)
				change(&o)
				for i := range 4 {
					if i == 2 {
						dead(all[1])
					} else {
						all[1].Misbehave(nil)
					}
					l := open(t, o)
					for j := range 20 {
						mustAppend(t, l, o, numbered(fmt.Sprintf("%d-%d", i, j), 1+j%3)...)
						time.Sleep(interval / 3)
					}
					closeLog(t, l)
				}
				for _, e := range saidIn(t, o.Directory)["contradicted"] {
					t.Errorf("%+v", e)
				}
				size, names := filed(t, o, all)
				if len(names) != 2 {
					t.Errorf("the file is of %d leaves, cosigned by %q", size, names)
				}
				if report := checkWitnessed(t, o, all, 2); report.TamperingDetected || report.WitnessedSize != size {
					t.Errorf("witnessed up to %d, not %d: %+v", report.WitnessedSize, size, report.Findings)
				}
			})
		})
	}
}

// A witness may have lost what it knew, or been restored from an old copy.
func TestAWitnessThatForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 1)
		l := open(t, o)
		time.Sleep(time.Second)
		for i := range 3 {
			mustAppend(t, l, o, fmt.Sprint(i))
			time.Sleep(interval)
			all[0].Forget(origin)
		}
		last := mustAppend(t, l, o, "last").TreeSize
		time.Sleep(interval)
		closeLog(t, l)
		if n := all[0].Size(origin); n != last {
			t.Errorf("the witness has cosigned %d leaves of %d", n, last)
		}
		if got := saidIn(t, o.Directory)["contradicted"]; len(got) != 0 {
			t.Errorf("it is taken for a contradiction: %+v", got)
		}
	})
}

// What retention has deleted cannot be proven to a witness that was away for so long.
func TestAWitnessThatWasAwayLongerThanRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 2)
		o.WitnessQuorum = 1
		o.MaxSegmentBytes = 1
		o.Retention.MaxSegments = 3
		l := open(t, o)
		mustAppend(t, l, o, "a")
		time.Sleep(interval)
		dead(all[1])
		for i := range 20 {
			mustAppend(t, l, o, fmt.Sprint(i))
			time.Sleep(interval)
		}
		// While the log is open it knows all that the proof takes.
		all[1].Misbehave(nil)
		time.Sleep(100 * interval)
		if all[0].Size(origin) != all[1].Size(origin) {
			t.Errorf("one witness is at %d leaves, the other at %d", all[0].Size(origin), all[1].Size(origin))
		}
		dead(all[1])
		for i := range 20 {
			mustAppend(t, l, o, fmt.Sprint("b", i))
			time.Sleep(interval)
		}
		closeLog(t, l)
		all[1].Misbehave(nil)
		at := all[1].Size(origin)
		l = open(t, o)
		mustAppend(t, l, o, "c")
		time.Sleep(100 * interval)
		closeLog(t, l)
		if got := all[1].Size(origin); got != at {
			t.Errorf("the witness went from %d leaves to %d", at, got)
		}
		replies := told(o).replies
		i := slices.IndexFunc(replies, func(r cosigning.Reply) bool {
			return r.Outcome == cosigning.OutcomeFailed && strings.Contains(r.Err.Error(), "retention has deleted")
		})
		if i < 0 {
			t.Errorf("no reply says why: %+v", replies[len(replies)-1])
		}
		if got := saidIn(t, o.Directory)["contradicted"]; len(got) != 0 {
			t.Errorf("it is taken for a contradiction: %+v", got)
		}
	})
}

// copyDir copies a log's directory.
func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, 0o700); err != nil {
		t.Fatal(err)
	}
}

// The directory is put back from an older copy, and the log goes on from there.
func TestARolledBackLogIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 2)
		l := open(t, o)
		mustAppend(t, l, o, "a", "b")
		time.Sleep(interval)
		closeLog(t, l)
		older := o
		older.Directory = filepath.Join(t.TempDir(), "older")
		older.Observer = newWatcher()
		copyDir(t, o.Directory, older.Directory)

		l = open(t, o)
		mustAppend(t, l, o, numbered("lost", 20)...)
		time.Sleep(interval)
		closeLog(t, l)
		lost := all[0].Size(origin)
		kept, err := os.ReadFile(filepath.Join(o.Directory, sidefile.CheckpointName))
		if err != nil {
			t.Fatal(err)
		}

		l = open(t, older)
		time.Sleep(time.Second)
		if problems := told(older).witnesses; len(problems) == 0 || !strings.Contains(fmt.Sprint(problems[0]), "rolled back") {
			t.Errorf("the observer was told of the problems %v", problems)
		}
		events := saidIn(t, older.Directory)["contradicted"]
		if len(events) != 2 {
			t.Fatalf("the log says %+v", events)
		}
		for _, e := range events {
			if e.Reason != "rolled_back" || e.Size != lost || e.Witness != all[0].Name() && e.Witness != all[1].Name() {
				t.Errorf("the log says %+v; the witness has cosigned %d leaves", e, lost)
			}
		}
		if events[0].Witness == events[1].Witness {
			t.Errorf("the log says it twice of %s", events[0].Witness)
		}
		// It grows beyond what it was, and is still another log.
		mustAppend(t, l, older, numbered("again", 40)...)
		time.Sleep(100 * interval)
		closeLog(t, l)
		if again := saidIn(t, older.Directory)["contradicted"]; len(again) != len(events) {
			t.Errorf("the log says it more than once: %+v", again)
		}
		if n := all[0].Size(origin); n != lost {
			t.Errorf("the witness has gone on to %d leaves", n)
		}
		if last := told(older).replies[len(told(older).replies)-1]; last.Outcome != cosigning.OutcomeContradicted || !errors.Is(last.Err, cosigning.ErrInconsistent) {
			t.Errorf("the last reply is %+v", last)
		}

		// A verifier finds it, too: by what the log says of its witnesses, and against
		// a checkpoint that was kept.
		report := checkWitnessed(t, older, all, 2)
		if !report.TamperingDetected || !slices.Contains(kinds(report), verify.Rollback) {
			t.Errorf("the verifier finds %+v", report.Findings)
		}
		report, err = verify.Log(t.Context(), os.DirFS(older.Directory), verify.Options{Keys: []*signing.PublicKey{o.Signer.Public()}, Checkpoints: []verify.Kept{{Note: kept}}})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(kinds(report), verify.Rollback) {
			t.Errorf("with a kept checkpoint, the verifier finds %+v", report.Findings)
		}
	})
}

func kinds(r *verify.Report) (all []verify.Kind) {
	for _, f := range r.Findings {
		if f.Severity == verify.Tampering {
			all = append(all, f.Kind)
		}
	}
	return all
}

// The directory is copied, and both copies go on, on two hosts with the same key.
func TestAForkedLogIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 1)
		l := open(t, o)
		mustAppend(t, l, o, "a", "b")
		time.Sleep(interval)
		closeLog(t, l)
		other := o
		other.Directory = filepath.Join(t.TempDir(), "other")
		other.Observer = newWatcher()
		copyDir(t, o.Directory, other.Directory)

		one, two := open(t, o), open(t, other)
		time.Sleep(time.Second)
		// Whoever comes first is believed: both have opened at the same time, so it is
		// either, but only one.
		for i := range 5 {
			mustAppend(t, one, o, numbered(fmt.Sprint("one", i), 3)...)
			mustAppend(t, two, other, numbered(fmt.Sprint("two", i), 3)...)
			time.Sleep(10 * interval)
		}
		closeLog(t, one)
		closeLog(t, two)
		good, bad := o, other
		if len(told(o).witnesses) > 0 {
			good, bad = other, o
		}
		if problems := told(good).witnesses; len(problems) != 0 {
			t.Errorf("both logs are in doubt: %v", problems)
		}
		problems := told(bad).witnesses
		if len(problems) == 0 || problems[0] == nil {
			t.Fatalf("the fork went unnoticed: %v", problems)
		}
		// As long as the other one is larger, it cannot be told from a rollback.
		if events := saidIn(t, bad.Directory)["contradicted"]; len(events) != 1 || events[0].Reason != "forked" && events[0].Reason != "rolled_back" {
			t.Errorf("the log says %+v", events)
		}
		if !slices.ContainsFunc(told(bad).replies, func(r cosigning.Reply) bool {
			return r.Outcome == cosigning.OutcomeContradicted && r.Err != nil
		}) {
			t.Errorf("no reply contradicts: %+v", told(bad).replies)
		}
		if report := checkWitnessed(t, good, all, 1); report.TamperingDetected {
			t.Errorf("the other log: %+v", report.Findings)
		}
		if report := checkWitnessed(t, bad, all, 1); !slices.Contains(kinds(report), verify.Rollback) {
			t.Errorf("the verifier finds %+v", report.Findings)
		}
		// The two are one another's proof.
		kept, err := os.ReadFile(filepath.Join(good.Directory, sidefile.CheckpointName))
		if err != nil {
			t.Fatal(err)
		}
		report, err := verify.Log(t.Context(), os.DirFS(bad.Directory), verify.Options{Keys: []*signing.PublicKey{o.Signer.Public()}, Checkpoints: []verify.Kept{{Note: kept}}})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(kinds(report), verify.Rollback) {
			t.Errorf("with the other's checkpoint, the verifier finds %+v", report.Findings)
		}
	})
}

// A witness that errs, or somebody between, can say that the log was forked. When it
// agrees again, that is over.
func TestAContradictionPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := witnessed(t, 1)
		l := open(t, o)
		mustAppend(t, l, o, "a")
		time.Sleep(interval)
		all[0].Misbehave(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnprocessableEntity) })
		mustAppend(t, l, o, "b")
		time.Sleep(10 * interval)
		all[0].Misbehave(nil)
		time.Sleep(100 * interval)
		closeLog(t, l)
		problems := told(o).witnesses
		if len(problems) < 2 || problems[0] == nil || problems[len(problems)-1] != nil {
			t.Errorf("the observer was told of the problems %v", problems)
		}
		if got := saidIn(t, o.Directory)["contradicted"]; len(got) != 1 {
			t.Errorf("the log says %+v", got)
		}
		report := checkWitnessed(t, o, all, 1)
		if report.TamperingDetected {
			t.Errorf("%+v", report.Findings)
		}
		if !slices.ContainsFunc(report.Findings, func(f verify.Finding) bool { return f.Kind == verify.Rollback && f.Severity == verify.Warning }) {
			t.Errorf("the verifier does not tell of it: %+v", report.Findings)
		}
	})
}

// Witnesses learn only of what survives a power cut at any moment: a log that lost what
// they have cosigned would be taken for one that was rolled back.
func TestNoCrashContradictsAWitness(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { crashWithWitness(t, seed) })
		})
	}
}

func crashWithWitness(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	o, all := witnessed(t, 1)
	o.Sync = seed%2 == 0
	o.MaxSegmentBytes = []int64{0, 1, 3000}[r.IntN(3)]
	m := newModel()
	o.FS = m
	cuts := rand.New(rand.NewPCG(seed, 1)) // the model's lock guards it
	type wreck struct {
		left    *model
		witness *witnesstest.Witness
	}
	var wrecks []wreck
	m.Step = func() {
		if cuts.IntN(4) == 0 {
			wrecks = append(wrecks, wreck{m.Crash(cuts), all[0].Clone()})
		}
	}
	l := open(t, o)
	for i := range 12 {
		mustAppend(t, l, o, numbered(fmt.Sprint(i), 1+r.IntN(3))...)
		if r.IntN(2) == 0 {
			time.Sleep(interval)
		}
	}
	closeLog(t, l)
	for i, w := range wrecks {
		o.FS, o.Observer = w.left, newWatcher()
		o.Witnesses = []cosigning.Witness{w.witness}
		l, err := rotation.Open(t.Context(), o)
		if err != nil {
			if o.Sync {
				t.Errorf("wreck %d: %v", i, err)
			}
			continue
		}
		time.Sleep(time.Second)
		closeLog(t, l)
		// Without sync a segment may have got lost before its end, and then there is no
		// proof; but that is not a contradiction.
		replies := told(o).replies
		if len(replies) == 0 || replies[0].Outcome == cosigning.OutcomeContradicted || o.Sync && replies[0].Err != nil {
			t.Errorf("wreck %d of %d: %+v", i, len(wrecks), replies)
		}
	}
}

func TestWitnessOptionsAreChecked(t *testing.T) {
	for name, change := range map[string]func(*rotation.Options){
		"two of a name":       func(o *rotation.Options) { o.Witnesses = append(o.Witnesses, o.Witnesses[0]) },
		"too large a quorum":  func(o *rotation.Options) { o.WitnessQuorum = 3 },
		"a negative quorum":   func(o *rotation.Options) { o.WitnessQuorum = -1 },
		"a negative interval": func(o *rotation.Options) { o.WitnessInterval = -time.Second },
		"too many": func(o *rotation.Options) {
			for i := range 40 {
				o.Witnesses = append(o.Witnesses, witnesstest.New(t, fmt.Sprint("w", i)))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, _ := witnessed(t, 2)
			change(&o)
			if l, err := rotation.Open(t.Context(), o); err == nil {
				closeLog(t, l)
				t.Error("the log opens")
			}
		})
	}
}
