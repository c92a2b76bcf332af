// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/verify/fleet"
)

// forest is a file system with logs in directories.
type forest fstest.MapFS

func (f forest) plant(dir string, log fstest.MapFS) forest {
	for name, file := range log {
		clone := *file
		clone.Data = slices.Clone(file.Data)
		f[path.Join(dir, name)] = &clone
	}
	return f
}

// tree checks a forest. It returns what became of each log, too.
func tree(t testing.TB, f forest, o verify.Options) (*fleet.Summary, []fleet.Log) {
	t.Helper()
	var logs []fleet.Log
	s, err := fleet.Check(context.Background(), fstest.MapFS(f), o, func(l fleet.Log) error {
		logs = append(logs, l)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Logs != len(logs) || s.Good+s.Tampered+s.Unchecked != s.Logs {
		t.Fatalf("%d logs, %+v", len(logs), s)
	}
	return s, logs
}

// of writes a log of an origin.
func of(t testing.TB, s *signing.Signer, origin string, commits ...int) *logtest.Copy {
	return logtest.Write(t, rotation.Options{Signer: s, Origin: origin, MaxSegmentBytes: 3000}, commits...)
}

// shape is the findings of a summary, as kind and path.
func shape(s *fleet.Summary) (all []string) {
	for _, f := range s.Findings {
		all = append(all, string(f.Severity)+" "+string(f.Kind)+" "+f.Path)
	}
	return all
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestTreeOfGoodLogs(t *testing.T) {
	s := signingtest.New(t, signing.ECDSAP256)
	f := forest{"README": {}, "x/notes": {}}
	f.plant("a", of(t, s, "fleet/a", 1, 2).Files).plant("pods/0/b", of(t, s, "fleet/b", 3).Files).plant("pods/1/b", of(t, s, "fleet/c", 4).Files)
	sum, logs := tree(t, f, verify.Options{Keys: []*signing.PublicKey{s.Public()}})
	if !sum.Complete() || sum.TamperingDetected || sum.SelfAttested || sum.Good != 3 || sum.TotalEvents-sum.OwnEvents != 10 || sum.VerifiedEvents != sum.TotalEvents {
		t.Errorf("%+v", sum)
	}
	same(t, "findings", shape(sum), []string{"info foreign_directory x"})
	var paths []string
	for _, l := range logs {
		paths = append(paths, l.Path+" "+l.Report.Origin)
	}
	same(t, "logs", paths, []string{"a fleet/a", "pods/0/b fleet/b", "pods/1/b fleet/c"})
}

// Each way of meddling with a tree of logs is found where it was done.
func TestTreeTampering(t *testing.T) {
	signer := signingtest.New(t, signing.Ed25519)
	a, b := of(t, signer, "fleet/a", 2, 2, 2, 2), of(t, signer, "fleet/b", 3, 3)
	longer := logtest.LoadCopy(t, copyOf(t, a), signer)
	appended := of(t, signer, "fleet/a", 2, 2, 2, 3)
	stranger := of(t, signingtest.New(t, signing.Ed25519), "fleet/a", 1)
	for _, tt := range []struct {
		name     string
		do       func(f forest)
		findings []string
		logs     string // for each log: good, tampered or unchecked
	}{
		{"nothing", func(forest) {}, nil, "gg"},
		{"a byte", func(f forest) {
			w := b.Clone()
			w.SetLines(0, slices.Insert(w.Lines(0), 2, []byte("junk\n")))
			f.plant("b", w.Files)
		}, nil, "gt"},
		{"a whole log deleted", func(f forest) { f.fell("b", true) }, []string{"tampering rollback "}, "g"},
		{"a log's segments deleted", func(f forest) {
			maps.DeleteFunc(f, func(name string, _ *fstest.MapFile) bool { return strings.HasPrefix(name, "b/audit-") })
		}, nil, "gt"},
		{"all of a log deleted but its lock", func(f forest) { f.fell("b", false) }, []string{"tampering rollback "}, "gu"},
		{"a log in place of another", func(f forest) { f.fell("b", true); f.plant("b", a.Files) }, []string{"tampering rollback ", "warning log_copied b"}, "gg"},
		{"a copy", func(f forest) { f.plant("z/copy", a.Files) }, []string{"warning log_copied z/copy"}, "ggg"},
		{"an older copy", func(f forest) { f.plant("0", prefix(t, a, 2)) }, []string{"warning log_copied 0"}, "tgg"},
		{"a fork of the same size", func(f forest) { f.plant("z", of(t, signer, "fleet/a", 2, 2, 2, 2).Files) }, []string{"tampering log_forked z"}, "ggt"},
		{"a longer fork", func(f forest) { f.plant("z", appended.Files) }, []string{"tampering log_forked a"}, "ggt"},
		{"a stranger's log of the name", func(f forest) { f.plant("z", stranger.Files) }, []string{"warning log_copied z"}, "ggu"},
		{"a file checkpoint of a log that is gone", func(f forest) { f["z/checkpoint"] = &fstest.MapFile{Data: a.Checkpoint(t), Mode: 0o600} }, []string{"warning log_copied z"}, "ggt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := forest{".lock": {}}
			f.plant("a", longer.Files).plant("b", b.Files)
			f["a/.lock"], f["b/.lock"] = &fstest.MapFile{}, &fstest.MapFile{}
			tt.do(f)
			sum, logs := tree(t, f, verify.Options{Keys: []*signing.PublicKey{signer.Public()}, Checkpoints: []verify.Kept{{Note: b.Checkpoint(t)}, {Note: a.Checkpoint(t)}}})
			got := ""
			for _, l := range logs {
				switch {
				case l.Report == nil:
					got += "u"
				case l.Report.TamperingDetected:
					got += "t"
				default:
					got += "g"
				}
			}
			if got != tt.logs {
				t.Errorf("logs %q, want %q: %s", got, tt.logs, encoded(logs))
			}
			same(t, "findings", shape(sum), tt.findings)
			bad := strings.Contains(tt.logs, "t") || slices.ContainsFunc(tt.findings, func(s string) bool { return strings.HasPrefix(s, "tampering") })
			if sum.TamperingDetected != bad {
				t.Errorf("tampering detected: %v", sum.TamperingDetected)
			}
			if strings.Contains(tt.logs, "u") && sum.Complete() {
				t.Error("it is said to be complete")
			}
		})
	}
}

func encoded(v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// fell removes a directory, or all in it but the lock.
func (f forest) fell(dir string, lock bool) {
	maps.DeleteFunc(f, func(name string, _ *fstest.MapFile) bool {
		return strings.HasPrefix(name, dir+"/") && (lock || path.Base(name) != durable.LockName)
	})
}

// copyOf writes a log to a directory of the operating system.
func copyOf(t testing.TB, w *logtest.Copy) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, w.Files); err != nil {
		t.Fatal(err)
	}
	return dir
}

// prefix is a log as it was when it had its first n segments, as far as files tell.
func prefix(t testing.TB, w *logtest.Copy, n int) fstest.MapFS {
	t.Helper()
	older := fstest.MapFS{}
	for _, name := range w.Segments[:n] {
		older[name] = w.Files[name]
	}
	return older
}

// What cannot be looked into keeps the rest from nothing, and is told of.
func TestTreeThatCannotBeReadWhole(t *testing.T) {
	s := signingtest.New(t, signing.ECDSAP256)
	root := t.TempDir()
	put := func(dir string, w *logtest.Copy) {
		if err := os.CopyFS(filepath.Join(root, dir), w.Files); err != nil {
			t.Fatal(err)
		}
	}
	w := of(t, s, "fleet/a", 1)
	put("a", w)
	put("1/2/3/4/5/6/7/8", of(t, s, "fleet/b", 1))
	put("1/2/3/4/5/6/7/8/9", of(t, s, "fleet/c", 1))
	elsewhere := t.TempDir()
	for name, target := range map[string]string{"out": elsewhere, "in": "a", "loop": ".", "a/loop": "..", "dangling": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	var logs []string
	check := func() *fleet.Summary {
		logs = nil
		sum, err := fleet.Check(t.Context(), os.DirFS(root), verify.Options{Keys: []*signing.PublicKey{s.Public()}}, func(l fleet.Log) error {
			logs = append(logs, l.Path)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	sum := check()
	same(t, "logs", logs, []string{"1/2/3/4/5/6/7/8", "a"})
	same(t, "findings", shape(sum), []string{
		"warning directory_unread 1/2/3/4/5/6/7/8/9", "warning link_not_followed a/loop", "warning link_not_followed dangling", "warning link_not_followed in", "warning link_not_followed loop", "warning link_not_followed out",
	})
	if sum.Complete() || sum.TamperingDetected || sum.Unread != 1 {
		t.Errorf("%+v", sum)
	}
	if os.Geteuid() == 0 {
		return // root reads what it likes
	}
	if err := os.Chmod(filepath.Join(root, "a"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(root, "a"), 0o700)
	if sum := check(); sum.Unread != 2 {
		t.Errorf("%+v", sum)
	}
}

// unreadable is a file system in which a directory cannot be read.
type unreadable struct {
	fstest.MapFS
	dir string
}

func (u unreadable) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == u.dir {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.MapFS.ReadDir(name)
}

func TestTreeWithAnUnreadableDirectory(t *testing.T) {
	s := signingtest.New(t, signing.ECDSAP256)
	f := forest{"closed/x": {}}.plant("a", of(t, s, "fleet/a", 1).Files)
	sum, err := fleet.Check(t.Context(), unreadable{fstest.MapFS(f), "closed"}, verify.Options{}, func(fleet.Log) error { return nil })
	if err != nil || sum.Complete() || sum.Good != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	same(t, "findings", shape(sum), []string{"warning directory_unread closed"})
	if _, err := fleet.Check(t.Context(), unreadable{fstest.MapFS(f), "."}, verify.Options{}, nil); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}

func TestTreeErrors(t *testing.T) {
	s := signingtest.New(t, signing.ECDSAP256)
	good := forest{}.plant("a", of(t, s, "fleet/a", 1).Files)
	own := errors.New("my own")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx  context.Context
		f    forest
		o    verify.Options
		each error
		want error
	}{
		"no log":            {t.Context(), forest{"x/y": {}}, verify.Options{}, nil, verify.ErrNoLog},
		"the caller's own":  {t.Context(), good, verify.Options{}, own, own},
		"canceled":          {canceled, good, verify.Options{}, nil, context.Canceled},
		"no checkpoint":     {t.Context(), good, verify.Options{Checkpoints: []verify.Kept{{Note: []byte("x")}}}, nil, nil},
		"quorum of nothing": {t.Context(), good, verify.Options{}, own, own},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fleet.Check(tt.ctx, fstest.MapFS(tt.f), tt.o, func(fleet.Log) error { return tt.each })
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// Findings are bounded, and counted.
func TestTreeFindingsAreBounded(t *testing.T) {
	s := signingtest.New(t, signing.ECDSAP256)
	f := forest{}.plant("a", of(t, s, "fleet/a", 1).Files)
	for i := range 30 {
		f[fmt.Sprintf("x%d/y", i)] = &fstest.MapFile{}
	}
	sum, _ := tree(t, f, verify.Options{MaxFindings: 10})
	if len(sum.Findings) != 10 || sum.FindingsOmitted != 20 || sum.FindingCounts[verify.Info] != 30 {
		t.Errorf("%d findings, %d omitted, %v", len(sum.Findings), sum.FindingsOmitted, sum.FindingCounts)
	}
}

// Many copies of one log cost a look at each, not at each pair.
func TestTreeOfManyForks(t *testing.T) {
	s := signingtest.New(t, signing.Ed25519)
	f := forest{}
	for i := range 70 {
		f.plant(fmt.Sprintf("f%02d", i), of(t, s, "fleet/a", 1).Files)
	}
	sum, _ := tree(t, f, verify.Options{Keys: []*signing.PublicKey{s.Public()}})
	if n := sum.FindingCounts[verify.Tampering]; n != 64 || sum.Unread != 5 || sum.Complete() {
		t.Errorf("%d forks, %d not compared", n, sum.Unread)
	}
}

// Wherever logs lie, each is found once, and a kept checkpoint of each is found extended;
// without any one of them its checkpoint tells.
func TestTreeFindsEveryLog(t *testing.T) {
	t.Parallel()
	s := signingtest.New(t, signing.Ed25519)
	var all []*logtest.Copy
	var notes [][]byte
	for i := range 4 {
		w := of(t, s, fmt.Sprint("fleet/", i), i+1)
		all, notes = append(all, w), append(notes, w.Checkpoint(t))
	}
	rapid.Check(t, func(t *rapid.T) {
		f, where := forest{"x": {}}, map[string]bool{}
		for _, w := range all {
			dir := rapid.Custom(func(t *rapid.T) string {
				return path.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "checkpoint", "_none", "c%2f"}), 0, 6).Draw(t, "path")...)
			}).Filter(func(dir string) bool { return !where[dir] }).Draw(t, "dir")
			where[dir] = true
			f.plant(dir, w.Files)
		}
		var kept []verify.Kept
		for _, note := range notes {
			kept = append(kept, verify.Kept{Note: note})
		}
		o := verify.Options{Keys: []*signing.PublicKey{s.Public()}, Checkpoints: kept}
		for dir := range where {
			if f[path.Join(dir, sidefile.CheckpointName)] == nil || isDir(f, path.Join(dir, sidefile.CheckpointName)) {
				return // a directory lies where a log has a file
			}
		}
		sum, err := fleet.Check(context.Background(), fstest.MapFS(f), o, func(fleet.Log) error { return nil })
		if err != nil || sum.TamperingDetected || !sum.Complete() || sum.Good != len(all) {
			t.Fatalf("%+v, %v", sum, err)
		}
	})
}

func isDir(f forest, name string) bool {
	for other := range f {
		if strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}
