// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir_test

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

func TestCheckpoint(t *testing.T) {
	tests := []struct {
		name string
		file *fstest.MapFile
		is   error
		form bool
	}{
		{"none", nil, fs.ErrNotExist, false},
		{"empty", &fstest.MapFile{}, fs.ErrNotExist, false},
		{"what is no checkpoint", &fstest.MapFile{Data: []byte("x")}, nil, false},
		{"the largest", &fstest.MapFile{Data: make([]byte, logdir.MaxCheckpointBytes)}, nil, false},
		{"too large", &fstest.MapFile{Data: make([]byte, logdir.MaxCheckpointBytes+1)}, logdir.ErrTooLarge, true},
		{"a link", &fstest.MapFile{Mode: fs.ModeSymlink | 0o777}, rootfs.ErrNotRegular, true},
		{"a pipe", &fstest.MapFile{Mode: fs.ModeNamedPipe}, rootfs.ErrNotRegular, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fsys := fstest.MapFS{}
			if test.file != nil {
				fsys[sidefile.CheckpointName] = test.file
			}
			note, err := logdir.Checkpoint(fsys)
			if !errors.Is(err, test.is) || logdir.Malformed(err) != test.form || test.is == nil && !bytes.Equal(note, test.file.Data) {
				t.Errorf("%d bytes, %v", len(note), err)
			}
		})
	}
}

// rangesOf returns the file of pruned ranges for trees of these sizes, and the last tree.
func rangesOf(sizes ...uint64) (file []byte, to merkle.Frontier) {
	for _, size := range sizes {
		mark := merkle.NewMark(&to)
		for to.Size() < size {
			to.AppendMarked(merkle.LeafHash([]byte{byte(to.Size())}), []*merkle.Mark{mark})
		}
		file = append(sidefile.AppendPrunedRange(file, sidefile.PrunedRange{Size: size, Subtrees: mark.Range(&to)}), '\n')
	}
	return file, to
}

func TestPrunedRanges(t *testing.T) {
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
		{"empty", "", to, 0, logdir.ErrNoRanges, ""},
		{"no whole line", string(first[:10]), to, 0, logdir.ErrNoRanges, ""},
		{"incomplete", string(first), to, 1, logdir.ErrIncomplete, "pruned-ranges, line 1: it ends at leaf 3, but the first segment begins at leaf 200"},
		{"cut off", string(file[:len(file)-1]), to, 2, logdir.ErrIncomplete, "pruned-ranges, line 2: it ends at leaf 10, but the first segment begins at leaf 200"},
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
			err := logdir.PrunedRanges(t.Context(), fsys, test.to.Size(), test.to.Root(), func(r sidefile.PrunedRange, after *merkle.Frontier) error {
				visits++
				if r.Size != after.Size() {
					t.Errorf("%d leaves after a range up to %d", after.Size(), r.Size)
				}
				return nil
			})
			if visits != test.visits {
				t.Errorf("%d ranges", visits)
			}
			switch {
			case test.is == nil && test.message == "":
				if err != nil {
					t.Error(err)
				}
			case !errors.Is(err, test.is) && test.is != nil, err == nil, !strings.HasPrefix(err.Error(), test.message), logdir.Malformed(err) != (test.message != ""):
				t.Error(err)
			}
		})
	}
	stop := errors.New("stop")
	fsys := fstest.MapFS{sidefile.PrunedRangesName: {Data: file}}
	if err := logdir.PrunedRanges(t.Context(), fsys, to.Size(), to.Root(), func(sidefile.PrunedRange, *merkle.Frontier) error { return stop }); err != stop {
		t.Error(err)
	}
	if err := logdir.PrunedRanges(t.Context(), fstest.MapFS{}, to.Size(), to.Root(), nil); !errors.Is(err, logdir.ErrNoRanges) {
		t.Error(err)
	}
	end, err := logdir.PrunedRangesIn(t.Context(), bytes.NewReader(file), short.Size(), short.Root(), nil)
	if want := bytes.IndexByte(file[len(first):], '\n') + len(first) + 1; err != nil || end != int64(want) {
		t.Errorf("%d, %v, not %d", end, err, want)
	}
}

// The file leads to the tree if, and only if, it is what the log has written up to there.
func TestPrunedRangesLeadNowhereElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sizes []uint64
		for n := uint64(0); len(sizes) < 5; {
			n += rapid.Uint64Range(1, 50).Draw(t, "leaves")
			sizes = append(sizes, n)
		}
		file, to := rangesOf(sizes...)
		at := rapid.IntRange(0, len(file)-1).Draw(t, "at")
		file[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		if _, err := logdir.PrunedRangesIn(t.Context(), bytes.NewReader(file), to.Size(), to.Root(), nil); err == nil {
			t.Fatal("a file that was changed leads to the tree")
		}
	})
}

func TestLastPrunedRange(t *testing.T) {
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
		if got, err := logdir.LastPrunedRange(t.Context(), fsys); got != test.want || err != nil {
			t.Errorf("%s: %d, %v", test.name, got, err)
		}
	}
}

func TestKeyChanges(t *testing.T) {
	line := func(note string) string { return string(sidefile.AppendKeyChange(nil, []byte(note))) + "\n" }
	long := strings.Repeat("x", sidefile.MaxKeyChangeBytes+1)
	tests := []struct {
		name  string
		file  string
		notes []string // "" is a malformed line
	}{
		{"empty", "", nil},
		{"two", line("a\n") + line("b\n"), []string{"a\n", "b\n"}},
		{"one is being written", line("a\n") + line("b\n")[:10], []string{"a\n"}},
		{"a bad line", line("a\n") + "x\n" + line("b\n"), []string{"a\n", "", "b\n"}},
		{"a long line", line("a\n") + long + "\n" + line("b\n"), []string{"a\n", "", "b\n"}},
		{"a long line without an end", line("a\n") + long, []string{"a\n", ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fsys := fstest.MapFS{sidefile.KeyChangesName: {Data: []byte(test.file)}}
			var notes []string
			for c, err := range logdir.KeyChanges(t.Context(), fsys) {
				if notes = append(notes, string(c.Note)); c.Line != len(notes) || (err == nil) == (len(c.Note) == 0) || err != nil && !logdir.Malformed(err) {
					t.Errorf("%+v, %v", c, err)
				}
				if err == nil && !strings.HasSuffix(test.file[:c.End], line(string(c.Note))) {
					t.Errorf("line %d does not end at %d", c.Line, c.End)
				}
			}
			if !slices.Equal(notes, test.notes) {
				t.Errorf("%q", notes)
			}
		})
	}
	for range logdir.KeyChanges(t.Context(), fstest.MapFS{}) {
		t.Error("a change without a file")
	}
	link := fstest.MapFS{sidefile.KeyChangesName: {Mode: fs.ModeSymlink}}
	n := 0
	for _, err := range logdir.KeyChanges(t.Context(), link) {
		if n++; !errors.Is(err, rootfs.ErrNotRegular) {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d results", n)
	}
}

// Whatever the files hold, reading them ends, and each line is told once.
func FuzzFilesNextToTheSegments(f *testing.F) {
	ranges, to := rangesOf(3, 10)
	f.Add(ranges)
	f.Add(append(sidefile.AppendKeyChange(nil, []byte("note\n")), '\n'))
	f.Add(bytes.Repeat([]byte("x"), sidefile.MaxKeyChangeBytes+2))
	f.Fuzz(func(t *testing.T, file []byte) {
		lines := 0
		for c, err := range logdir.KeyChangesIn(t.Context(), bytes.NewReader(file)) {
			if lines++; c.Line != lines || err != nil && !logdir.Malformed(err) || c.End > int64(len(file)) {
				t.Fatalf("%+v, %v", c, err)
			}
		}
		if most := bytes.Count(file, []byte("\n")) + 1; lines > most {
			t.Errorf("%d lines of %d", lines, most)
		}
		if end, err := logdir.PrunedRangesIn(t.Context(), bytes.NewReader(file), to.Size(), to.Root(), nil); err == nil && !bytes.HasPrefix(file, ranges[:end]) {
			t.Errorf("%q leads to the tree", file)
		}
	})
}
