// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtree_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
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
		require.NoError(t, err)
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
		require.NoError(r, err)
		require.Equal(r, uint64(size), tree.Size(), "%d leaves, want %d", tree.Size(), size)
		for range 5 {
			tree, err := logtree.Open(t.Context(), fsys)
			require.NoError(r, err)
			// The newest tree, or one that it has grown from.
			size := rapid.OneOf(rapid.Just(size), rapid.Int64Range(1, size)).Draw(r, "size")
			n := rapid.Int64Range(0, size-1).Draw(r, "leaf")
			got, err := tlog.ProveRecord(size, n, tree.Hashes(t.Context()))
			require.NoError(r, err)
			want, err := tlog.ProveRecord(size, n, all)
			require.NoError(r, err)
			require.Equal(r, fmt.Sprint(want), fmt.Sprint(got), "the path of leaf %d of %d in segments from %d", n, size, begins)
			// A tree that ends within a segment takes reading that one, too.
			if s := tree.Stats(); s.Segments > 3 || size == int64(len(hashes)) && s.Segments > 2 {
				r.Fatalf("it took reading %d segments of %d", s.Segments, len(begins))
			}
		}
		for range 5 {
			to := rapid.Int64Range(1, size).Draw(r, "to")
			from := rapid.Int64Range(1, to).Draw(r, "from")
			got, err := tlog.ProveTree(to, from, tree.Hashes(t.Context()))
			require.NoError(r, err)
			want, err := tlog.ProveTree(to, from, all)
			require.NoError(r, err)
			require.Equal(r, fmt.Sprint(want), fmt.Sprint(got), "from %d to %d", from, to)
			root, err := tree.Root(t.Context(), uint64(from))
			require.NoError(r, err)
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
	require.GreaterOrEqual(t, len(begins), 4, "only")
	listing, err := segment.List(fsys)
	require.NoError(t, err)
	silent := fsys[listing.Segments[2].Name]
	silent.Data = bytes.Replace(silent.Data, []byte(`"action":"rotated"`), []byte(`"action":"rotatee"`), 1)
	tree, err := logtree.Open(t.Context(), fsys)
	require.NoError(t, err)
	all := stored(t, before)
	var indexes []int64
	for first, height := range compactrange.Subtrees(begins[1], begins[2]) {
		indexes = append(indexes, tlog.StoredHashIndex(height, int64(first>>height)))
	}
	got, err := tree.Hashes(t.Context()).ReadHashes(indexes)
	require.NoError(t, err)
	want, err := all.ReadHashes(indexes)
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprint(want), fmt.Sprint(got), "other hashes")
	assert.Equal(t, 2, tree.Stats().Segments, "segments were read, want the newest and one more")
}

// What has been pruned is missed only where it is needed.
func TestTreeOfPrunedLog(t *testing.T) {
	fsys := write(t, 3000, []int{4, 4, 4, 4, 4, 4, 4, 4})
	before, begins := leaves(t, fsys)
	listing, err := segment.List(fsys)
	require.NoError(t, err)
	for _, f := range listing.Segments[:2] {
		delete(fsys, f.Name)
	}
	tree, err := logtree.Open(t.Context(), fsys)
	require.NoError(t, err)
	assert.Equal(t, begins[2], tree.Base(), "base")
	size := int64(len(before))
	all := stored(t, before)
	for n := int64(begins[2]); n < size; n++ {
		got, err := tlog.ProveRecord(size, n, tree.Hashes(t.Context()))
		require.NoError(t, err)
		want, err := tlog.ProveRecord(size, n, all)
		assert.NoError(t, err, "leaf %d: another path", n)
		assert.Equal(t, fmt.Sprint(want), fmt.Sprint(got), "leaf %d: another path", n)
	}
	_, err = tree.Line(t.Context(), 1)
	assert.ErrorIs(t, err, logtree.ErrPruned, "a pruned line")
	_, err = tlog.ProveRecord(size, 1, tree.Hashes(t.Context()))
	assert.ErrorIs(t, err, logtree.ErrPruned, "a pruned leaf")
}

func TestNoTree(t *testing.T) {
	_, err := logtree.Open(t.Context(), fstest.MapFS{})
	assert.ErrorIs(t, err, logdir.ErrNoLog, "an empty directory")
	fsys := write(t, 0, []int{1})
	for name, f := range fsys {
		if _, err := segment.ParseName(name); err == nil {
			f.Data = f.Data[:bytes.IndexByte(f.Data, '\n')+1]
		}
	}
	_, err = logtree.Open(t.Context(), fsys)
	assert.ErrorIs(t, err, logdir.ErrNoCheckpoint, "a header alone")
}
