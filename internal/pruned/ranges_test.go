// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package pruned_test

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/pruned"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// rangesOf returns the file of pruned ranges for trees of these sizes, and the last tree.
func rangesOf(sizes ...uint64) (file []byte, to merkle.Frontier) {
	for _, size := range sizes {
		mark := consistency.NewMark(&to)
		for to.Size() < size {
			consistency.Append(&to, merkle.LeafHash([]byte{byte(to.Size())}), []*consistency.Mark{mark})
		}
		file = append(sidefile.AppendPrunedRange(file, sidefile.PrunedRange{Size: size, Subtrees: mark.Range(&to)}), '\n')
	}
	return file, to
}

func TestRead(t *testing.T) {
	file, to := rangesOf(3, 10, 200)
	_, short := rangesOf(3, 10)
	_, other := rangesOf(9)
	first, _ := rangesOf(3)
	tests := []struct {
		name    string
		file    string
		to      merkle.Frontier
		visits  int
		is      error
		message string
	}{
		{"all", string(file), to, 3, nil, ""},
		{"up to a tree", string(file), short, 2, nil, ""},
		{"no tree", string(file), merkle.Frontier{}, 0, nil, ""},
		{"what follows does not count", string(file) + "x", to, 3, nil, ""},
		{"empty", "", to, 0, pruned.ErrNone, ""},
		{"no whole line", string(first[:10]), to, 0, pruned.ErrNone, ""},
		{"incomplete", string(first), to, 1, pruned.ErrIncomplete, "pruned-ranges, line 1: it ends at leaf 3, but the first segment begins at leaf 200"},
		{"cut off", string(file[:len(file)-1]), to, 2, pruned.ErrIncomplete, "pruned-ranges, line 2: it ends at leaf 10, but the first segment begins at leaf 200"},
		{"another tree", string(file), other, 2, nil, "pruned-ranges: it does not lead to the tree of 9 leaves that the first segment begins with"},
		{"malformed", string(first) + "{}\n", to, 1, nil, "pruned-ranges, line 2: "},
		{"not above", string(first) + string(first), to, 1, nil, "pruned-ranges, line 2: its size, 3, is not above the one before"},
		{"a long line", string(first) + strings.Repeat("x", sidefile.MaxPrunedRangeBytes+1) + "\n", to, 1, nil, "pruned-ranges, line 2: the line has more than 8192 bytes"},
		{"a long line without an end", strings.Repeat("x", 1<<20), to, 0, nil, "pruned-ranges, line 1: the line has more than 8192 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fsys := fstest.MapFS{sidefile.PrunedRangesName: {Data: []byte(test.file)}}
			visits := 0
			err := pruned.Read(t.Context(), fsys, test.to.Size(), test.to.Root(), func(r sidefile.PrunedRange, after *merkle.Frontier) error {
				visits++
				assert.Equal(t, after.Size(), r.Size)
				return nil
			})
			assert.Equal(t, test.visits, visits, "ranges")
			switch {
			case test.is == nil && test.message == "":
				assert.NoError(t, err)
			case !errors.Is(err, test.is) && test.is != nil, err == nil, !strings.HasPrefix(err.Error(), test.message), logfile.Malformed(err) != (test.message != ""):
				t.Error(err)
			}
		})
	}
	stop := errors.New("stop")
	fsys := fstest.MapFS{sidefile.PrunedRangesName: {Data: file}}
	if err := pruned.Read(t.Context(), fsys, to.Size(), to.Root(), func(sidefile.PrunedRange, *merkle.Frontier) error { return stop }); err != stop {
		t.Error(err)
	}
	assert.ErrorIs(t, pruned.Read(t.Context(), fstest.MapFS{}, to.Size(), to.Root(), nil), pruned.ErrNone)
	end, err := pruned.ReadFrom(t.Context(), bytes.NewReader(file), short.Size(), short.Root(), nil)
	want := bytes.IndexByte(file[len(first):], '\n') + len(first) + 1
	assert.NoError(t, err, "%d, %v, not %d", end, err, want)
	assert.Equal(t, int64(want), end, "%d, %v, not %d", end, err, want)
}

// The file leads to the tree if, and only if, it is what the log has written up to there.
func TestRangesLeadNowhereElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sizes []uint64
		for n := uint64(0); len(sizes) < 5; {
			n += rapid.Uint64Range(1, 50).Draw(t, "leaves")
			sizes = append(sizes, n)
		}
		file, to := rangesOf(sizes...)
		at := rapid.IntRange(0, len(file)-1).Draw(t, "at")
		file[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		_, err := pruned.ReadFrom(t.Context(), bytes.NewReader(file), to.Size(), to.Root(), nil)
		require.Error(t, err, "a file that was changed leads to the tree")
	})
}

func TestLast(t *testing.T) {
	file, _ := rangesOf(3, 10)
	for _, test := range []struct {
		name string
		file *fstest.MapFile
		want uint64
	}{
		{"none", nil, 0},
		{"all", &fstest.MapFile{Data: file}, 10},
		{"a torn line", &fstest.MapFile{Data: file[:len(file)-1]}, 3},
		{"a bad line", &fstest.MapFile{Data: append(bytes.Clone(file), "x\n"...)}, 10},
		{"a link", &fstest.MapFile{Mode: fs.ModeSymlink}, 0},
	} {
		fsys := fstest.MapFS{}
		if test.file != nil {
			fsys[sidefile.PrunedRangesName] = test.file
		}
		got, err := pruned.Last(t.Context(), fsys)
		assert.Equal(t, test.want, got, test.name)
		assert.NoError(t, err, test.name)
	}
}

// Whatever the file holds, reading it ends, and it leads to the tree only as the log wrote it.
func FuzzRead(f *testing.F) {
	ranges, to := rangesOf(3, 10)
	f.Add(ranges)
	f.Add(bytes.Repeat([]byte("x"), sidefile.MaxPrunedRangeBytes+2))
	f.Fuzz(func(t *testing.T, file []byte) {
		if end, err := pruned.ReadFrom(t.Context(), bytes.NewReader(file), to.Size(), to.Root(), nil); err == nil && !bytes.HasPrefix(file, ranges[:end]) {
			t.Errorf("%q leads to the tree", file)
		}
	})
}
