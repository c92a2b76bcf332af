// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// shown is a stage that keeps every line that it is ever given to recall, and forgets none.
type shown struct{ lines [][]byte }

func (s *shown) Recall(line logdir.CheckedLine) error {
	s.lines = append(s.lines, bytes.Clone(line.Bytes()))
	return nil
}

func (*shown) Forget()                {}
func (*shown) Admit(*stage.Admission) {}
func (*shown) Settle(uint64, bool)    {}

// eventsIn returns the event lines of a log's segments.
func eventsIn(t testing.TB, dir string, names []string) (lines [][]byte) {
	t.Helper()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			if line = bytes.TrimSuffix(line, []byte("\n")); segment.KindOf(line) == segline.KindEvent {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// Whatever stands in the directory, no stage is ever shown a line that the log has not written,
// nor one of its lines in another place.
func TestIntruderShowsStagesNothing(t *testing.T) {
	honest := options(t)
	honest.MaxSegmentBytes = 2500
	l := open(t, honest)
	for _, id := range numbered("id", 9) {
		mustAppend(t, l, honest, id)
	}
	closeLog(t, l)
	names := segmentNames(t, honest.Directory)
	if len(names) < 4 {
		t.Fatalf("%d segments", len(names))
	}
	written := eventsIn(t, honest.Directory, names)
	thief := otherKey(t)
	rapid.Check(t, func(rt *rapid.T) {
		o := options(t)
		o.Signer = honest.Signer
		if err := os.Mkdir(o.Directory, 0o700); err != nil {
			rt.Fatal(err)
		}
		s := &shown{}
		o.Stages = []stage.Stage{s}
		n := rapid.IntRange(0, len(names)-2).Draw(rt, "segment")
		change := rapid.SampledFrom([]string{"a byte", "a line less", "a line twice", "lines in another order", "a cut", "forged", "forged, and named"}).Draw(rt, "change")
		for i, name := range names {
			path := filepath.Join(honest.Directory, name)
			b, err := os.ReadFile(path)
			if err != nil {
				rt.Fatal(err)
			}
			if i == n {
				b = changed(t, rt, path, b, change, thief)
			}
			if err := os.WriteFile(filepath.Join(o.Directory, name), b, 0o600); err != nil {
				rt.Fatal(err)
			}
		}
		l, err := rotation.Open(t.Context(), o)
		if err == nil {
			closeLog(t, l)
		}
		if len(s.lines) > len(written) || !slices.EqualFunc(s.lines, written[:len(s.lines)], bytes.Equal) {
			rt.Errorf("a stage was shown %d lines, of which not all are the log's first ones", len(s.lines))
		}
	})
}

// changed returns the content of a segment with a change that somebody without the key can make.
func changed(t *testing.T, rt *rapid.T, path string, b []byte, change string, thief *signing.Signer) []byte {
	lines := bytes.SplitAfter(b, []byte("\n"))
	lines = lines[:len(lines)-1]
	at := rapid.IntRange(0, len(lines)-2).Draw(rt, "line")
	switch change {
	case "a byte":
		b[rapid.IntRange(0, len(b)-1).Draw(rt, "at")] ^= byte(rapid.IntRange(1, 255).Draw(rt, "bits"))
		return b
	case "a line less":
		lines = slices.Delete(lines, at, at+1)
	case "a line twice":
		lines = slices.Insert(lines, at, lines[at])
	case "lines in another order":
		lines[at], lines[at+1] = lines[at+1], lines[at]
	case "a cut":
		lines = lines[:at+1]
	default:
		b, _ := (&forger{t: t, thief: thief, named: change == "forged, and named"}).segment(path, true)
		return b
	}
	return bytes.Join(lines, nil)
}

// What the log has signed and is no part of its history is not recalled either: such as what a
// backup that was restored does not hold.
func TestAnotherHistoryIsNotRecalled(t *testing.T) {
	o := options(t)
	l := open(t, o)
	mustAppend(t, l, o, "a")
	closeLog(t, l)
	backup := t.TempDir()
	if err := os.CopyFS(backup, os.DirFS(o.Directory)); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	mustAppend(t, l, o, "lost")
	closeLog(t, l)
	lost := filepath.Join(o.Directory, segmentNames(t, o.Directory)[0])

	o.Directory, o.MaxSegmentBytes = backup, 1
	l = open(t, o)
	mustAppend(t, l, o, "b")
	closeLog(t, l)
	name := segmentNames(t, backup)[0]
	content, err := os.ReadFile(lost)
	if err == nil {
		err = os.WriteFile(filepath.Join(backup, name), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, ids := &shown{}, idempotency.NewStage(idempotency.Options{MaxEvents: 100})
	o.Stages = []stage.Stage{s, ids}
	l = open(t, o)
	if !slices.ContainsFunc(s.lines, func(line []byte) bool { return bytes.Contains(line, []byte(`"event_id":"lost"`)) }) {
		t.Error("the line is not signed: the test shows nothing")
	}
	if n := ids.Len(); n > 0 {
		t.Errorf("%d ids are remembered", n)
	}
	before := l.Checkpoint()
	mustAppend(t, l, o, "lost")
	if bytes.Equal(before, l.Checkpoint()) {
		t.Error("the record is taken for a repeat of one that the log does not hold")
	}
	closeLog(t, l)
}

// A log whose segments have keys of their own, all but one of which are destroyed, recalls them
// all the same, be the key changes in their file, in the segments alone, or next to others.
func TestRecallFollowsKeyChanges(t *testing.T) {
	for name, change := range map[string]func(path string, good []byte) error{
		"untouched": func(string, []byte) error { return nil },
		"removed":   func(path string, _ []byte) error { return os.Remove(path) },
		"spoiled": func(path string, good []byte) error {
			return os.WriteFile(path, append(bytes.Clone(good), "{}\n"...), 0o600)
		},
		"a line less, in the middle": func(path string, good []byte) error {
			lines := bytes.SplitAfter(good, []byte("\n"))
			return os.WriteFile(path, bytes.Join(slices.Delete(lines, 20, 21), nil), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key.pem")
			if _, err := keyfile.Create(path, signing.Ed25519); err != nil {
				t.Fatal(err)
			}
			o := options(t)
			o.MaxSegmentBytes = 1
			reopen := func() *rotation.Log {
				k, err := keyfile.OpenRotating(path)
				if err != nil {
					t.Fatal(err)
				}
				o.Signer, o.SegmentKeys = k.Current(), k
				o.Stages = remember(idempotency.Options{MaxEvents: 1000})
				return open(t, o)
			}
			all := numbered("e", 40)
			l := reopen()
			for _, id := range all {
				mustAppend(t, l, o, id)
			}
			closeLog(t, l)
			filed := filepath.Join(o.Directory, sidefile.KeyChangesName)
			good, err := os.ReadFile(filed)
			if err == nil {
				err = change(filed, good)
			}
			if err != nil {
				t.Fatal(err)
			}
			l = reopen()
			if n := o.Stages[0].(*idempotency.Stage).Len(); n < rotation.MaxRecalledSegments-1 || n > rotation.MaxRecalledSegments {
				t.Errorf("%d events of %d segments are remembered", n, rotation.MaxRecalledSegments)
			}
			mustAppend(t, l, o, all[len(all)-10:]...)
			closeLog(t, l)
			sameIDs(t, read(t, o.Directory).ids, all)
			if got, err := os.ReadFile(filed); err != nil || !bytes.HasPrefix(got, good) {
				t.Errorf("the file of key changes does not begin with the %d bytes that it had: %v", len(good), err)
			}
		})
	}
}
