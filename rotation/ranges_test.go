// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// notesIn returns all checkpoints in a log's segments.
func notesIn(t *testing.T, dir string) (notes [][]byte) {
	t.Helper()
	fsys := os.DirFS(dir)
	for _, name := range segmentNames(t, dir) {
		r, err := segment.Open(fsys, name, -1)
		if err != nil {
			t.Fatal(err)
		}
		for {
			line, err := r.Next()
			if err != nil {
				break
			}
			if segment.KindOf(line) == segline.KindCheckpoint {
				note, err := segment.ParseCheckpoint(line)
				if err != nil {
					t.Fatal(err)
				}
				notes = append(notes, note)
			}
		}
		r.Close()
	}
	return notes
}

// prunedLog writes a log of small segments and then, in several starts, has retention
// delete all but the newest two. It returns all checkpoints there ever were, and one of
// another history with the same key.
func prunedLog(t *testing.T, o rotation.Options, c compression.Method) (notes [][]byte, other []byte) {
	t.Helper()
	o.MaxSegmentBytes, o.Compression = 4000, c
	fork := o
	fork.Directory += "-fork"
	l := open(t, o)
	for i := range 3 {
		mustAppend(t, l, o, numbered(fmt.Sprint("a", i), 1+i)...)
	}
	closeLog(t, l)
	// The same beginning, another event: a fork from there on.
	if err := os.CopyFS(fork.Directory, os.DirFS(o.Directory)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(fork.Directory, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]string{fork.Directory: "theirs", o.Directory: "ours"} {
		p := o
		p.Directory = name
		l := open(t, p)
		mustAppend(t, l, p, id)
		closeLog(t, l)
	}
	others := notesIn(t, fork.Directory)
	other = others[len(others)-1]
	for _, keep := range []int{5, 2} {
		l := open(t, o)
		for _, id := range numbered(fmt.Sprint("b", keep), 12) {
			mustAppend(t, l, o, id)
		}
		closeLog(t, l)
		notes = append(notes, notesIn(t, o.Directory)...)
		w := newWatcher()
		p := o
		p.Observer, p.Retention.MaxSegments = w, keep
		l = open(t, p)
		w.await(t, "pruning", func() bool { return w.segments <= keep+1 })
		closeLog(t, l)
		notes = append(notes, notesIn(t, o.Directory)...)
	}
	return notes, other
}

func keptFindings(t *testing.T, dir string, s *signing.Signer, kept ...[]byte) []verify.Finding {
	t.Helper()
	var all []verify.Kept
	for _, note := range kept {
		all = append(all, verify.Kept{Note: note})
	}
	r, err := verify.Log(context.Background(), os.DirFS(dir), verify.Options{Keys: []*signing.PublicKey{s.Public()}, Checkpoints: all})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(r.Findings, func(f verify.Finding) bool { return f.Severity == verify.Info })
}

// A checkpoint that somebody kept shows a rollback or a fork, also when the segments
// up to it have been deleted by retention.
func TestKeptCheckpointsOutliveTheirSegments(t *testing.T) {
	t.Parallel()
	for _, c := range []compression.Method{compression.None, compression.Zstd} {
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := options(t)
				notes, other := prunedLog(t, o, c)
				if names := segmentNames(t, o.Directory); strings.Contains(names[0], "-00000000000000000000-") {
					t.Fatalf("nothing was pruned: %q", names)
				}
				if got := keptFindings(t, o.Directory, o.Signer, notes...); len(got) > 0 {
					t.Errorf("%d checkpoints of the log's own: %+v", len(notes), got)
				}
				found := func(what string, kept []byte, kind verify.Kind, severity verify.Severity) {
					t.Helper()
					got := keptFindings(t, o.Directory, o.Signer, kept)
					if len(got) != 1 || got[0].Kind != kind || got[0].Severity != severity {
						t.Errorf("%s: %+v", what, got)
					}
				}
				found("another history", other, verify.Rollback, verify.Tampering)
				first, err := signing.ParseCheckpoint(notes[1])
				if err != nil {
					t.Fatal(err)
				}
				between, err := signing.SignCheckpoint(origin, first.Size-1, first.Root, o.Signer)
				if err != nil {
					t.Fatal(err)
				}
				// What nothing shows is no accusation, and no OK.
				found("a size at which there was no checkpoint", between, verify.CheckpointUnchecked, verify.Unchecked)

				path := filepath.Join(o.Directory, sidefile.PrunedRangesName)
				good, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%d bytes for %d checkpoints", len(good), bytes.Count(good, []byte("\n")))
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				found("the file is gone", notes[0], verify.CheckpointUnchecked, verify.Unchecked)
				if got := keptFindings(t, o.Directory, o.Signer); len(got) > 0 {
					t.Errorf("the file is gone, and nobody asks: %+v", got)
				}
				// No byte of the file can be changed unseen.
				for i := 0; i < len(good); i += 7 {
					changed := bytes.Clone(good)
					changed[i] ^= 1
					if err := os.WriteFile(path, changed, 0o600); err != nil {
						t.Fatal(err)
					}
					got := keptFindings(t, o.Directory, o.Signer)
					if len(got) != 1 || got[0].Kind != verify.PrunedRangesInvalid {
						t.Errorf("byte %d of %d: %+v", i, len(good), got)
					}
				}
				// Nor is there room for lines that mean nothing.
				empty := append(sidefile.AppendPrunedRange(nil, sidefile.PrunedRange{}), '\n')
				if err := os.WriteFile(path, append(empty, good...), 0o600); err != nil {
					t.Fatal(err)
				}
				if got := keptFindings(t, o.Directory, o.Signer); len(got) != 1 || got[0].Kind != verify.PrunedRangesInvalid {
					t.Errorf("an empty range before the first: %+v", got)
				}
				if err := os.WriteFile(path, good[:len(good)/2], 0o600); err != nil {
					t.Fatal(err)
				}
				if got := keptFindings(t, o.Directory, o.Signer); len(got) != 1 || got[0].Kind != verify.PrunedRangesInvalid {
					t.Errorf("half of the file: %+v", got)
				}
			})
		})
	}
}

// That a writer is being closed says nothing of the file.
func TestRangesWhileClosing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir, err := durable.OpenLocked(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		var tree merkle.Frontier
		tree.Append(merkle.Hash{1})
		line := append(sidefile.AppendPrunedRange(nil, sidefile.PrunedRange{Size: 1, Subtrees: tree.Hashes()}), '\n')
		f, err := dir.Create(sidefile.PrunedRangesName)
		if err == nil {
			_, err = f.WriteAt(line, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if at, err := rotation.EndOfRanges(t.Context(), dir, tree); err != nil || at != int64(len(line)) {
			t.Errorf("%d, %v", at, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if at, err := rotation.EndOfRanges(ctx, dir, tree); !errors.Is(err, context.Canceled) {
			t.Errorf("%d, %v", at, err)
		}
	})
}

// What was set aside once stays when something else is set aside.
func TestRangesThatAreNotTheLogs(t *testing.T) {
	o := options(t)
	o.MaxSegmentBytes = 4000
	prunedLog(t, o, compression.None)
	path := filepath.Join(o.Directory, sidefile.PrunedRangesName)
	prune := func(id string) {
		l := open(t, o)
		for _, id := range numbered(id, 12) {
			mustAppend(t, l, o, id)
		}
		closeLog(t, l)
		before := segmentNames(t, o.Directory)[0]
		w := newWatcher()
		p := o
		p.Observer, p.Retention.MaxSegments = w, 2
		l = open(t, p)
		w.await(t, "pruning", func() bool { return w.segments <= 3 })
		closeLog(t, l)
		if segmentNames(t, o.Directory)[0] == before {
			t.Fatal("nothing was pruned")
		}
	}
	for n, one := range []struct{ content, kept string }{{"junk\n", "foreign-pruned-ranges"}, {"other junk\n", "foreign-2-pruned-ranges"}, {"", ""}, {"to", ""}} {
		if err := os.WriteFile(path, []byte(one.content), 0o600); err != nil {
			t.Fatal(err)
		}
		prune(fmt.Sprint("d", n, "-"))
		if one.kept != "" {
			kept, err := os.ReadFile(filepath.Join(o.Directory, one.kept))
			if err != nil || string(kept) != one.content {
				t.Errorf("%q was kept as %q: %v", one.content, kept, err)
			}
		}
		if got := keptFindings(t, o.Directory, o.Signer); slices.ContainsFunc(got, func(f verify.Finding) bool { return f.Severity == verify.Tampering }) {
			t.Errorf("after %q: %+v", one.content, got)
		}
	}
	if kept, err := filepath.Glob(filepath.Join(o.Directory, "foreign-*")); err != nil || len(kept) != 2 {
		t.Errorf("set aside: %q, %v", kept, err)
	}
}
