// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/logtree"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/tiles"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// past keeps the leaves of a log whose segments are deleted.
type past struct {
	*log
	leaves [][]byte // that are gone
	tree   merkle.Frontier
}

func (p *past) all() [][]byte { return append(p.leaves[:len(p.leaves):len(p.leaves)], p.lines()...) }

// prune deletes the oldest segments, but for the newest, and writes what retention does.
func (p *past) prune(n int) {
	p.t.Helper()
	p.Close()
	fsys := os.DirFS(p.Options.Directory)
	listing, err := segment.List(fsys)
	require.NoError(p.t, err)
	ranges, err := os.OpenFile(filepath.Join(p.Options.Directory, sidefile.PrunedRangesName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(p.t, err)
	defer ranges.Close()
	for _, f := range listing.Segments[:min(n, len(listing.Segments)-1)] {
		content, err := os.ReadFile(filepath.Join(p.Options.Directory, f.Name))
		require.NoError(p.t, err)
		mark := consistency.NewMark(&p.tree)
		for line := range bytes.Lines(content) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			if segment.KindOf(line) != segline.KindCheckpoint {
				p.leaves = append(p.leaves, line)
				consistency.Append(&p.tree, merkle.LeafHash(line), []*consistency.Mark{mark})
				continue
			}
			one := sidefile.PrunedRange{Size: p.tree.Size(), Subtrees: mark.Range(&p.tree)}
			if mark.Size() < one.Size {
				_, err := ranges.Write(append(sidefile.AppendPrunedRange(nil, one), '\n'))
				require.NoError(p.t, err)
			}
			mark = consistency.NewMark(&p.tree)
		}
		require.NoError(p.t, os.Remove(filepath.Join(p.Options.Directory, f.Name)))
	}
}

// serves checks that a directory holds all that tlog-tiles demands of a log with a minimum
// index, and that whatever it holds is right.
func (p *past) serves(dir string, minimum uint64) {
	p.t.Helper()
	for name, want := range expected(p.t, p.all(), false) {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) && endOf(p.t, name) <= minimum {
			continue
		}
		assert.NoError(p.t, err, "minimum index %d: %s is not as it should be", minimum, name)
		assert.Equal(p.t, want, got, "minimum index %d: %s is not as it should be", minimum, name)
	}
}

// endOf is the end index of a full tile, or a bundle.
func endOf(t testing.TB, name string) uint64 {
	t.Helper()
	parts := strings.Split(name, "/")
	if strings.Contains(name, ".p/") {
		return 1 << 62 // it may not be missing
	}
	level, err := strconv.Atoi(strings.Replace(parts[1], "entries", "0", 1))
	n := uint64(0)
	for _, digits := range parts[2:] {
		d, derr := strconv.ParseUint(strings.TrimPrefix(digits, "x"), 10, 64)
		n, err = n*1000+d, errors.Join(err, derr)
	}
	require.NoError(t, err, name)
	return (n + 1) << (8 * (level + 1))
}

// Segments that were exported before they were pruned are not needed any more.
func TestExportGoesOnAfterPruning(t *testing.T) {
	l := &past{log: newLog(t, 5_000)}
	for range 10 {
		l.grow(20, 0)
	}
	dir := filepath.Join(t.TempDir(), "out")
	l.mustExport(dir, tiles.Options{})
	l.grow(200, 0)
	l.prune(2)
	r := l.mustExport(dir, tiles.Options{Check: true})
	assert.Zero(t, r.Minimum, "%+v", r)
	holds(t, dir, expected(t, l.all(), false))
}

// Of a log whose first leaves are gone, what tlog-tiles demands above a minimum index is
// exported, as soon as all of that can be made: at once where commits are small; where they
// are large, or where nothing is left but the oldest header, once the log has grown beyond
// the tiles that cannot be made. The same goes for leaves that went between two exports.
func TestExportOfPrunedLog(t *testing.T) {
	for name, c := range map[string]struct {
		commits  []int // before pruning
		before   int   // commits of them that were exported before
		prune    int   // segments, of which each commit has one
		noRanges bool
		after    []int  // commits
		minimum  uint64 // 0: it is not possible yet
	}{
		"little is gone":          {commits: []int{20, 20, 20, 300}, prune: 2, minimum: 256},
		"within a later tile":     {commits: []int{250, 250, 250, 300, 300, 10}, prune: 4, minimum: 1280},
		"too little is left":      {commits: []int{20, 20, 20, 20}, prune: 2},
		"and then enough":         {commits: []int{20, 20, 20, 20}, prune: 2, after: []int{300}, minimum: 256},
		"no ranges":               {commits: []int{20, 20, 300}, prune: 2, noRanges: true, minimum: 256},
		"no ranges, and more":     {commits: []int{250, 250, 250, 300, 300}, prune: 4, noRanges: true},
		"a large commit":          {commits: []int{3000, 10, 600}, prune: 2},
		"large, and then enough":  {commits: []int{3000, 10, 600}, prune: 2, after: []int{62_500, 300}, minimum: 65_536},
		"a gap":                   {commits: []int{300, 300, 300, 300, 600}, before: 2, prune: 4, minimum: 1280},
		"a gap in one tile":       {commits: []int{300, 20, 20, 600}, before: 1, prune: 3, minimum: 512},
		"a gap, too little after": {commits: []int{300, 20, 20, 20}, before: 1, prune: 3},
		"a gap without ranges":    {commits: []int{300, 300, 300, 300, 600}, before: 2, prune: 4, noRanges: true},
		"a gap of a large commit": {commits: []int{300, 3000, 10, 600}, before: 1, prune: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &past{log: newLog(t, 1)}
			dir := filepath.Join(t.TempDir(), "out")
			for i, n := range c.commits {
				if l.grow(n, 0); c.before > 0 && i+1 == c.before {
					l.mustExport(dir, tiles.Options{})
				}
			}
			l.prune(c.prune)
			if c.noRanges {
				require.NoError(t, os.Remove(filepath.Join(l.Options.Directory, sidefile.PrunedRangesName)))
			}
			for _, n := range c.after {
				l.grow(n, 0)
			}
			o := tiles.Options{Check: c.before > 0}
			r, err := l.export(dir, o)
			if c.minimum == 0 {
				require.ErrorIs(t, err, logtree.ErrPruned, "%+v", r)
				_, err := os.Stat(filepath.Join(dir, ".minimum-index"))
				assert.Error(t, err, "something was written")
				return
			}
			require.NoError(t, err, "%+v", r)
			require.Equal(t, c.minimum, r.Minimum, "%+v", r)
			l.serves(dir, r.Minimum)
			// It goes on, and is checked: each file that is demanded counts.
			for _, n := range []int{1, 7, 290} {
				l.grow(n, 0)
				r := l.mustExport(dir, tiles.Options{Check: true})
				assert.Equal(t, c.minimum, r.Minimum, "%+v", r)
				assert.Equal(t, c.minimum, r.Checked, "%+v", r)
				l.serves(dir, c.minimum)
			}
			changed(t, l, dir, c.minimum)
		})
	}
}

// changed checks that a change of any file that must be there is found.
func changed(t *testing.T, l *past, dir string, minimum uint64) {
	t.Helper()
	for name, content := range expected(t, l.all(), false) {
		if endOf(t, name) <= minimum || rand.IntN(5) > 0 && !strings.HasPrefix(name, "tile/1") {
			continue
		}
		path := filepath.Join(dir, name)
		for what, spoil := range map[string]func() error{
			"changed": func() error {
				return os.WriteFile(path, append([]byte{content[0] ^ 1}, content[1:]...), 0o600)
			},
			"gone": func() error { return os.Remove(path) },
		} {
			require.NoError(t, spoil())
			_, err := l.export(dir, tiles.Options{Check: true})
			assert.ErrorIs(t, err, tiles.ErrChanged, "%s is %s", name, what)
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}
	}
}

// What the log's directory, or that of the export, says falsely of leaves that are gone is
// found.
func TestExportOfPrunedLogIsNotMisled(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(l *past, dir string)
		want  error
	}{
		"ranges of other leaves": {func(l *past, _ string) {
			edit(l.t.(*testing.T), filepath.Join(l.Options.Directory, sidefile.PrunedRangesName), func(b []byte) []byte {
				line, rest, _ := bytes.Cut(b, []byte("\n"))
				one, _ := sidefile.ParsePrunedRange(line)
				one.Subtrees[0][0] ^= 1
				return append(append(sidefile.AppendPrunedRange(nil, one), '\n'), rest...)
			})
		}, tiles.ErrTampered},
		"ranges that end early": {func(l *past, _ string) {
			edit(l.t.(*testing.T), filepath.Join(l.Options.Directory, sidefile.PrunedRangesName), func(b []byte) []byte {
				return b[:bytes.IndexByte(b, '\n')+1]
			})
		}, tiles.ErrTampered},
		"an export of another past": {func(l *past, dir string) {
			other := newLog(l.t, 1)
			other.grow(300, 0)
			other.mustExport(dir, tiles.Options{})
		}, tiles.ErrForked},
		"a minimum index beyond what was exported": {func(l *past, dir string) {
			l.mustExport(dir, tiles.Options{})
			write(l.t, filepath.Join(dir, ".minimum-index"), "65536")
		}, tiles.ErrChanged},
		"a minimum index that is none": {func(l *past, dir string) {
			l.mustExport(dir, tiles.Options{})
			write(l.t, filepath.Join(dir, ".minimum-index"), "257")
		}, tiles.ErrChanged},
		"no minimum index": {func(l *past, dir string) {
			l.mustExport(dir, tiles.Options{})
			require.NoError(l.t, os.Remove(filepath.Join(dir, ".minimum-index")))
		}, tiles.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &past{log: newLog(t, 1)}
			for _, n := range []int{300, 300, 300, 600} {
				l.grow(n, 0)
			}
			l.prune(3)
			dir := filepath.Join(t.TempDir(), "out")
			c.spoil(l, dir)
			r, err := l.export(dir, tiles.Options{Check: c.want == tiles.ErrChanged})
			assert.ErrorIs(t, err, c.want, "%+v", r)
		})
	}
	t.Run("a minimum index where nothing is gone", func(t *testing.T) {
		l, dir := newLog(t, 1), filepath.Join(t.TempDir(), "out")
		l.grow(600, 0)
		l.mustExport(dir, tiles.Options{})
		write(t, filepath.Join(dir, ".minimum-index"), "256")
		_, err := l.export(dir, tiles.Options{Check: true})
		assert.ErrorIs(t, err, tiles.ErrChanged)
	})
}

// A checkpoint that is gone, or whose signatures are not the log's, is found, and nothing
// is called unchanged that was not there.
func TestCheckOfTheCheckpoint(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		later int // events after what was exported
		want  error
	}{
		"it is gone": {func(t *testing.T, dir string) { remove(t, dir, "checkpoint") }, 0, tiles.ErrChanged},
		"it is gone, and what was before": {func(t *testing.T, dir string) {
			remove(t, dir, "checkpoint")
			remove(t, dir, ".previous")
		}, 0, tiles.ErrNothing},
		"all is gone": {func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(dir))
		}, 0, tiles.ErrNothing},
		"a signature is changed":        {resign(20), 0, tiles.ErrChanged},
		"a signature is changed, later": {resign(20), 5, tiles.ErrChanged},
		"another has signed it":         {resign(0), 0, tiles.ErrChanged},
		"another has signed it, later":  {resign(0), 5, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t, 1<<20)
			dir := filepath.Join(t.TempDir(), "out")
			l.grow(300, 0)
			l.mustExport(dir, tiles.Options{})
			c.spoil(t, dir)
			if c.later > 0 {
				l.grow(c.later, 0)
			}
			before := files(t, dir)
			_, err := l.export(dir, tiles.Options{Check: true, Keys: []*signing.PublicKey{l.Options.Signer.Public()}})
			if err == nil || c.want != nil && !errors.Is(err, c.want) || c.want == nil && errors.Is(err, tiles.ErrChanged) {
				t.Errorf("%v", err)
			}
			assert.Len(t, files(t, dir), len(before), "files were written")
		})
	}
}

// resign changes a byte of the signature line of what was exported: of the key's id, the
// first four, or of the signature.
func resign(at int) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		edit(t, filepath.Join(dir, "checkpoint"), func(b []byte) []byte {
			start := bytes.LastIndexByte(b, ' ') + 1
			sig, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(b[start:])))
			require.NoError(t, err)
			sig[at] ^= 1
			return append(base64.StdEncoding.AppendEncode(b[:start], sig), '\n')
		})
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(dir, name)))
}

func write(t testing.TB, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}
