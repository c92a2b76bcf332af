// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/tiles"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log is a log that grows.
type log struct {
	*logtest.Log
	t testing.TB
}

func newLog(t testing.TB, segmentBytes int64) *log {
	t.Helper()
	return &log{logtest.New(t, rotation.Options{MaxSegmentBytes: segmentBytes}), t}
}

// grow adds a commit of n events of so many bytes more than they need.
func (l *log) grow(n, padding int) {
	l.t.Helper()
	l.Open()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("id-%d-%s", len(l.IDs)+i, strings.Repeat("x", padding))
	}
	l.Add(ids...)
}

// export exports the log while nobody writes to it.
func (l *log) export(dir string, o tiles.Options) (tiles.Result, error) {
	l.t.Helper()
	l.Close()
	return l.exportLive(dir, o)
}

// exportLive exports the log as it is.
func (l *log) exportLive(dir string, o tiles.Options) (tiles.Result, error) {
	l.t.Helper()
	require.NoError(l.t, os.MkdirAll(dir, 0o755))
	root, err := os.OpenRoot(dir)
	require.NoError(l.t, err)
	defer root.Close()
	return tiles.Export(context.Background(), os.DirFS(l.Options.Directory), root, o)
}

func (l *log) mustExport(dir string, o tiles.Options) tiles.Result {
	l.t.Helper()
	r, err := l.export(dir, o)
	require.NoError(l.t, err)
	return r
}

// lines returns the log's leaves.
func (l *log) lines() [][]byte {
	l.t.Helper()
	return logtest.Leaves(l.t, os.DirFS(l.Options.Directory))
}

// expected computes, with the library alone, all tiles of a tree of these leaves.
func expected(t testing.TB, lines [][]byte, hashesOnly bool) map[string][]byte {
	t.Helper()
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (all []tlog.Hash, _ error) {
		for _, i := range indexes {
			all = append(all, hashes[i])
		}
		return all, nil
	})
	for i, line := range lines {
		more, err := tlog.StoredHashes(int64(i), line, reader)
		require.NoError(t, err)
		hashes = append(hashes, more...)
	}
	want := map[string][]byte{}
	for _, tile := range tlog.NewTiles(8, 0, int64(len(lines))) {
		// NewTiles lists what changes from one leaf to the next, too.
		if tile.W < 256 && tile.N != int64(len(lines))>>(8*(tile.L+1)) || tile.W < 256 && tile.W != int(int64(len(lines))>>(8*tile.L)%256) {
			continue
		}
		data, err := tlog.ReadTileData(tile, reader)
		require.NoError(t, err)
		want["tile/"+strings.TrimPrefix(tile.Path(), "tile/8/")] = data
	}
	for n := 0; n < len(lines) && !hashesOnly; n += 256 {
		w := min(256, len(lines)-n)
		var bundle []byte
		for _, line := range lines[n : n+w] {
			bundle = append(binary.BigEndian.AppendUint16(bundle, uint16(len(line))), line...)
		}
		path := tlog.Tile{H: 8, L: -1, N: int64(n / 256), W: w}.Path()
		want["tile/entries/"+strings.TrimPrefix(path, "tile/8/data/")] = bundle
	}
	return want
}

// holds checks that a directory holds these tiles; others may be there of a smaller
// tree, if only partial ones.
func holds(t testing.TB, dir string, want map[string][]byte) {
	t.Helper()
	got := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == "checkpoint" || strings.HasPrefix(name, ".") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch expected, ok := want[name]; {
		case ok && bytes.Equal(content, expected):
			got++
		case ok:
			t.Errorf("%s holds something else", name)
		case !strings.Contains(name, ".p/"):
			t.Errorf("%s should not be there", name)
		}
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, len(want), got)
}

// However a log is exported, at once or bit by bit, with restarts and rotation between,
// the tiles are those that the library computes.
func TestExportAgainstLibrary(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := newLog(t, rapid.Int64Range(1, 100_000).Draw(r, "segment bytes"))
		o := tiles.Options{Keys: []*signing.PublicKey{l.Options.Signer.Public()}, HashesOnly: rapid.Bool().Draw(r, "hashes only")}
		dir := filepath.Join(t.TempDir(), "out")
		for range rapid.IntRange(1, 4).Draw(r, "exports") {
			for range rapid.IntRange(0, 3).Draw(r, "commits") {
				l.grow(rapid.IntRange(1, 300).Draw(r, "events"), rapid.IntRange(0, 100).Draw(r, "padding"))
			}
			l.mustExport(dir, o)
			lines := l.lines()
			want := expected(t, lines, o.HashesOnly)
			holds(t, dir, want)
			once := filepath.Join(t.TempDir(), "once")
			l.mustExport(once, o)
			holds(t, once, want)
			checkpoint, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
			require.NoError(r, err)
			c, err := signing.ParseCheckpoint(checkpoint)
			require.NoError(r, err, "checkpoint %+v", c)
			require.Equal(r, uint64(len(lines)), c.Size, "checkpoint %+v", c)
		}
	})
}

// More leaves than two levels of tiles hold.
func TestExportOfThreeLevels(t *testing.T) {
	l := newLog(t, 1<<20)
	dir := filepath.Join(t.TempDir(), "out")
	for range 30 {
		l.grow(2200, 0)
	}
	l.mustExport(dir, tiles.Options{})
	l.grow(700, 0)
	l.mustExport(dir, tiles.Options{})
	want := expected(t, l.lines(), false)
	require.NotNil(t, want["tile/2/000.p/1"], "there is no third level")
	holds(t, dir, want)
}

// An interrupted export is completed by the next one, whatever it had written.
func TestExportInterrupted(t *testing.T) {
	l := newLog(t, 20_000)
	l.grow(300, 0)
	dir := filepath.Join(t.TempDir(), "out")
	l.mustExport(dir, tiles.Options{})
	before := filepath.Join(t.TempDir(), "before")
	require.NoError(t, os.CopyFS(before, os.DirFS(dir)))
	l.grow(400, 0)
	l.mustExport(dir, tiles.Options{})
	// Any part of what is new, and an unfinished file.
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if err != nil || d.IsDir() || name == "checkpoint" || len(name)%2 == 0 {
			return err
		}
		to := filepath.Join(before, name)
		if _, err := os.Lstat(to); err == nil {
			return nil
		}
		content, err := os.ReadFile(path)
		return errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o644), os.WriteFile(to+".tmp", content[:len(content)/2], 0o644))
	})
	require.NoError(t, err)
	l.mustExport(before, tiles.Options{})
	want := expected(t, l.lines(), false)
	for name := range want {
		if err := os.Remove(filepath.Join(before, name+".tmp")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	holds(t, before, want)
}

func TestExportRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, l *log, dir string)
		want  error
	}{
		"an event changed": {func(t *testing.T, l *log, _ string) {
			edit(t, newest(t, l), func(b []byte) []byte { return bytes.Replace(b, []byte(`"id-4`), []byte(`"ID-4`), 1) })
		}, nil},
		"another log": {func(t *testing.T, l *log, dir string) {
			edit(t, filepath.Join(dir, "checkpoint"), func(b []byte) []byte { return bytes.Replace(b, []byte("test.ex"), []byte("text.ex"), 1) })
		}, nil},
		"another history": {func(t *testing.T, l *log, dir string) {
			other := newLog(t, 0)
			other.grow(100, 1)
			other.mustExport(dir+"2", tiles.Options{})
			require.NoError(t, errors.Join(os.RemoveAll(dir), os.Rename(dir+"2", dir)))
		}, tiles.ErrForked},
		"an end that the log does not have": {func(t *testing.T, l *log, dir string) {
			copied := filepath.Join(t.TempDir(), "copied")
			l.Close() // an open log replaces its checkpoint file whenever it likes
			require.NoError(t, os.CopyFS(copied, os.DirFS(l.Options.Directory)))
			l.grow(600, 0)
			l.mustExport(dir, tiles.Options{})
			l.Options.Directory = copied
		}, tiles.ErrForked},
		"a tile changed": {func(t *testing.T, l *log, dir string) {
			edit(t, glob(t, dir, "tile/0/000.p/*"), func(b []byte) []byte { b[40] ^= 1; return b })
		}, nil},
		"a tile cut": {func(t *testing.T, l *log, dir string) {
			edit(t, glob(t, dir, "tile/0/000.p/*"), func(b []byte) []byte { return b[:32] })
		}, nil},
		"a tile too long": {func(t *testing.T, l *log, dir string) {
			edit(t, glob(t, dir, "tile/0/000.p/*"), func(b []byte) []byte { return append(b, b...) })
		}, nil},
		"entries changed": {func(t *testing.T, l *log, dir string) {
			edit(t, glob(t, dir, "tile/entries/000.p/*"), func(b []byte) []byte { b[len(b)-40] ^= 1; return b })
		}, nil},
		"entries cut": {func(t *testing.T, l *log, dir string) {
			edit(t, glob(t, dir, "tile/entries/000.p/*"), func(b []byte) []byte { return b[:len(b)-1] })
		}, nil},
		"entries too long": {func(t *testing.T, l *log, dir string) {
			edit(t, glob(t, dir, "tile/entries/000.p/*"), func(b []byte) []byte { return append(b, 0) })
		}, nil},
		"a checkpoint cut": {func(t *testing.T, l *log, dir string) {
			edit(t, filepath.Join(dir, "checkpoint"), func(b []byte) []byte { return b[:20] })
		}, nil},
		"a link out": {func(t *testing.T, l *log, dir string) {
			require.NoError(t, errors.Join(os.Rename(filepath.Join(dir, "tile"), filepath.Join(dir, "..", "elsewhere")), os.Symlink("../elsewhere", filepath.Join(dir, "tile"))))
		}, nil},
		"a link for a tile": {func(t *testing.T, l *log, dir string) {
			tile := glob(t, dir, "tile/0/000.p/*")
			require.NoError(t, errors.Join(os.Rename(tile, tile+"x"), os.Symlink(filepath.Base(tile)+"x", tile)))
		}, nil},
		"somebody else's full tile": {func(t *testing.T, l *log, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "tile/0/000"), []byte("x"), 0o644))
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t, 0)
			l.grow(100, 0)
			dir := filepath.Join(t.TempDir(), "out")
			l.mustExport(dir, tiles.Options{})
			l.grow(300, 0)
			c.spoil(t, l, dir)
			before, _ := os.ReadFile(filepath.Join(dir, "checkpoint"))
			if _, err := l.export(dir, tiles.Options{}); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("exported: %v", err)
			} else {
				t.Log(err)
			}
			after, _ := os.ReadFile(filepath.Join(dir, "checkpoint"))
			assert.Equal(t, before, after, "the checkpoint has been replaced")
		})
	}
}

// A line that no bundle of entries can hold, such as any client can have written, costs its
// bundle, and nothing else: all else is exported, before and after, and goes on.
func TestExportOfALineThatIsTooLong(t *testing.T) {
	l := newLog(t, 50_000)
	l.grow(300, 0)
	dir, steps := filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "steps")
	l.mustExport(steps, tiles.Options{})
	l.grow(1, 70_000)
	r := l.mustExport(steps, tiles.Options{})
	require.Len(t, r.TooLong, 1)
	require.GreaterOrEqual(t, r.TooLong[0].Bytes, 70_000)
	long := r.TooLong[0].Index
	first, last := r.TooLong[0].Bundle()
	assert.Equal(t, uint64(256), first, "its bundle is that of leaves")
	assert.Equal(t, uint64(511), last, "its bundle is that of leaves")
	for _, n := range []int{3, 300, 300} {
		l.grow(n, 0)
		l.grow(1, 0) // the second commit of a run can begin a segment
		r := l.mustExport(steps, tiles.Options{Check: true})
		// It is named as long as its bundle is not complete.
		assert.Equal(t, n == 3 || r.From < 512, len(r.TooLong) == 1 && r.TooLong[0].Index == long, "of %d to %d: %+v", r.From, r.To, r.TooLong)
	}
	r = l.mustExport(dir, tiles.Options{})
	if len(r.TooLong) != 1 || r.TooLong[0].Index != long {
		t.Errorf("%+v", r.TooLong)
	}
	want := expected(t, l.lines(), true)
	for name, data := range expected(t, l.lines(), false) {
		if !strings.HasPrefix(name, "tile/entries/001") {
			want[name] = data
		}
	}
	holds(t, dir, want)
	holds(t, steps, want)
	there, err := filepath.Glob(filepath.Join(dir, "tile/entries/001*"))
	assert.NoError(t, err)
	assert.Empty(t, there)
	// A bundle that is gone for another reason is missed; so it is when the log has lost its
	// leaves, but for the one that was left out.
	l.mustExport(steps, tiles.Options{Check: true})
	names, err := filepath.Glob(filepath.Join(l.Options.Directory, "audit-*"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(names), 2)
	require.NoError(t, os.Remove(names[0]))
	l.mustExport(steps, tiles.Options{Check: true})
	require.NoError(t, os.Remove(filepath.Join(steps, "tile/entries/000")))
	gone := func(what string) {
		t.Helper()
		_, err := l.export(steps, tiles.Options{Check: true})
		assert.ErrorIs(t, err, tiles.ErrChanged, "a bundle is gone, and %s", what)
	}
	gone("nothing else")
	// Nobody can say of another bundle that it was left out.
	line, err := os.ReadFile(filepath.Join(steps, ".too-long/1"))
	require.NoError(t, err)
	require.Len(t, line, r.TooLong[0].Bytes)
	for what, content := range map[string][]byte{"the line of another one is kept": line, "nothing": nil, "a line of its own": want["tile/entries/000"][2:300], "a line that is none": make([]byte, 70_000)} {
		require.NoError(t, os.WriteFile(filepath.Join(steps, ".too-long/0"), content, 0o600))
		gone(what)
	}
}

func edit(t *testing.T, path string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	changed := f(bytes.Clone(b))
	require.False(t, bytes.Equal(b, changed), "%s has not been changed", path)
	require.NoError(t, os.WriteFile(path, changed, 0o600))
}

func glob(t *testing.T, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(t, err, pattern)
	require.Len(t, names, 1, pattern)
	return names[0]
}

func newest(t *testing.T, l *log) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(l.Options.Directory, "audit-*"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	return names[len(names)-1]
}
