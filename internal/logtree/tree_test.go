// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtree_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/compactrange"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/logtree"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write writes a log: commits says how many events each commit has. The log is closed and opened
// again after three of them. A segment takes so many bytes.
func write(t testing.TB, segmentBytes int64, commits []int) fstest.MapFS {
	t.Helper()
	dir, err := os.MkdirTemp("", "proof")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	l := logtest.New(t, rotation.Options{Directory: filepath.Join(dir, "log"), MaxSegmentBytes: segmentBytes})
	for _, n := range commits {
		l.Commit(n)
		if n == 3 {
			l.Reopen()
		}
	}
	l.Close()
	return l.Files()
}

// leaves returns all leaves of a log and where its segments begin.
func leaves(t testing.TB, fsys fs.FS) (hashes []tlog.Hash, begins []uint64) {
	t.Helper()
	listing, err := segment.List(fsys)
	require.NoError(t, err)
	for _, f := range listing.Segments {
		begins = append(begins, f.Parsed.FirstIndex)
	}
	for _, line := range logtest.Leaves(t, fsys) {
		hashes = append(hashes, tlog.RecordHash(line))
	}
	return hashes, begins
}

// stored is all hashes of a tree, computed by the library.
func stored(t testing.TB, leaves []tlog.Hash) tlog.HashReader {
	t.Helper()
	var all []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (hashes []tlog.Hash, _ error) {
		for _, i := range indexes {
			hashes = append(hashes, all[i])
		}
		return hashes, nil
	})
	for i, leaf := range leaves {
		more, err := tlog.StoredHashesForRecordHash(int64(i), leaf, reader)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, more...)
	}
	return reader
}

// All that the library makes of a tree's hashes is the same, whether it has them all
// or asks the log, which reads two segments at most for a leaf's proof.
func TestTreeAgainstAllHashes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		commits := rapid.SliceOfN(rapid.IntRange(1, 9), 1, 30).Draw(r, "commits")
		fsys := write(t, rapid.Int64Range(1, 6000).Draw(r, "segment bytes"), commits)
		hashes, begins := leaves(t, fsys)
		size := int64(len(hashes))
		all := stored(t, hashes)
		tree, err := logtree.Open(t.Context(), fsys)
		if err != nil {
			r.Fatal(err)
		}
		if tree.Size() != uint64(size) {
			r.Fatalf("%d leaves, want %d", tree.Size(), size)
		}
		for range 5 {
			tree, err := logtree.Open(t.Context(), fsys)
			if err != nil {
				r.Fatal(err)
			}
			// The newest tree, or one that it has grown from.
			size := rapid.OneOf(rapid.Just(size), rapid.Int64Range(1, size)).Draw(r, "size")
			n := rapid.Int64Range(0, size-1).Draw(r, "leaf")
			got, err := tlog.ProveRecord(size, n, tree.Hashes(t.Context()))
			if err != nil {
				r.Fatal(err)
			}
			want, err := tlog.ProveRecord(size, n, all)
			if err != nil {
				r.Fatal(err)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				r.Fatalf("the path of leaf %d of %d in segments from %d: %v, want %v", n, size, begins, got, want)
			}
			// A tree that ends within a segment takes reading that one, too.
			if s := tree.Stats(); s.Segments > 3 || size == int64(len(hashes)) && s.Segments > 2 {
				r.Fatalf("it took reading %d segments of %d", s.Segments, len(begins))
			}
		}
		for range 5 {
			to := rapid.Int64Range(1, size).Draw(r, "to")
			from := rapid.Int64Range(1, to).Draw(r, "from")
			got, err := tlog.ProveTree(to, from, tree.Hashes(t.Context()))
			if err != nil {
				r.Fatal(err)
			}
			want, err := tlog.ProveTree(to, from, all)
			if err != nil {
				r.Fatal(err)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				r.Fatalf("from %d to %d: %v, want %v", from, to, got, want)
			}
			root, err := tree.Root(t.Context(), uint64(from))
			if err != nil {
				r.Fatal(err)
			}
			if want, err := tlog.TreeHash(from, all); err != nil || root != want {
				r.Fatalf("the root of %d leaves: %v, want %v, %v", from, root, want, err)
			}
		}
	})
}

// Where a segment does not say what the one before it holds, that one is read.
func TestTreeWithoutRange(t *testing.T) {
	fsys := write(t, 3000, []int{4, 4, 4, 4, 4, 4, 4, 4})
	before, begins := leaves(t, fsys)
	if len(begins) < 4 {
		t.Fatalf("only %d segments", len(begins))
	}
	listing, err := segment.List(fsys)
	if err != nil {
		t.Fatal(err)
	}
	silent := fsys[listing.Segments[2].Name]
	silent.Data = bytes.Replace(silent.Data, []byte(`"action":"rotated"`), []byte(`"action":"rotatee"`), 1)
	tree, err := logtree.Open(t.Context(), fsys)
	if err != nil {
		t.Fatal(err)
	}
	all := stored(t, before)
	var indexes []int64
	for first, height := range compactrange.Subtrees(begins[1], begins[2]) {
		indexes = append(indexes, tlog.StoredHashIndex(height, int64(first>>height)))
	}
	got, err := tree.Hashes(t.Context()).ReadHashes(indexes)
	if err != nil {
		t.Fatal(err)
	}
	want, err := all.ReadHashes(indexes)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error("other hashes")
	}
	if s := tree.Stats(); s.Segments != 2 {
		t.Errorf("%d segments were read, want the newest and one more", s.Segments)
	}
}

// What has been pruned is missed only where it is needed.
func TestTreeOfPrunedLog(t *testing.T) {
	fsys := write(t, 3000, []int{4, 4, 4, 4, 4, 4, 4, 4})
	before, begins := leaves(t, fsys)
	listing, err := segment.List(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range listing.Segments[:2] {
		delete(fsys, f.Name)
	}
	tree, err := logtree.Open(t.Context(), fsys)
	if err != nil {
		t.Fatal(err)
	}
	if tree.Base() != begins[2] {
		t.Errorf("base %d, want %d", tree.Base(), begins[2])
	}
	size := int64(len(before))
	all := stored(t, before)
	for n := int64(begins[2]); n < size; n++ {
		got, err := tlog.ProveRecord(size, n, tree.Hashes(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		if want, err := tlog.ProveRecord(size, n, all); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("leaf %d: another path", n)
		}
	}
	if _, err := tree.Line(t.Context(), 1); !errors.Is(err, logtree.ErrPruned) {
		t.Errorf("a pruned line: %v", err)
	}
	if _, err := tlog.ProveRecord(size, 1, tree.Hashes(t.Context())); !errors.Is(err, logtree.ErrPruned) {
		t.Errorf("a pruned leaf: %v", err)
	}
}

func TestNoTree(t *testing.T) {
	if _, err := logtree.Open(t.Context(), fstest.MapFS{}); !errors.Is(err, logdir.ErrNoLog) {
		t.Errorf("an empty directory: %v", err)
	}
	fsys := write(t, 0, []int{1})
	for name, f := range fsys {
		if _, err := segment.ParseName(name); err == nil {
			f.Data = f.Data[:bytes.IndexByte(f.Data, '\n')+1]
		}
	}
	if _, err := logtree.Open(t.Context(), fsys); !errors.Is(err, logdir.ErrNoCheckpoint) {
		t.Errorf("a header alone: %v", err)
	}
}
