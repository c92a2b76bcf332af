// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/tiles"
)

// files returns the names of the files below a directory.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "tile"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

// Each byte that was exported counts: with Check, a change of any file is found, and so is
// one that is gone, be it of the newest tiles, of full ones, or of entries.
func TestCheckFindsEachChange(t *testing.T) {
	l := newLog(t, 1<<20)
	dir := filepath.Join(t.TempDir(), "out")
	l.grow(300, 0)
	l.mustExport(dir, tiles.Options{})
	l.grow(900, 0)
	l.mustExport(dir, tiles.Options{})
	now := expected(t, l.lines(), false)
	left := map[string]bool{}
	for _, name := range files(t, dir) {
		rel, err := filepath.Rel(dir, name)
		require.NoError(t, err)
		left[rel] = now[rel] == nil
	}
	check := tiles.Options{Check: true}
	l.mustExport(dir, check)
	all := files(t, dir)
	require.GreaterOrEqual(t, len(all), 12, "files")
	for _, name := range all {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		for what, spoil := range map[string]func() error{
			"first byte": func() error {
				return os.WriteFile(name, append([]byte{content[0] ^ 1}, content[1:]...), 0o644)
			},
			"last byte": func() error {
				return os.WriteFile(name, append(content[:len(content)-1:len(content)-1], content[len(content)-1]^1), 0o644)
			},
			"a byte more": func() error { return os.WriteFile(name, append(content[:len(content):len(content)], 0), 0o644) },
			"cut off":     func() error { return os.WriteFile(name, content[:len(content)-1], 0o644) },
			"empty":       func() error { return os.WriteFile(name, nil, 0o644) },
		} {
			require.NoError(t, spoil())
			_, err := l.export(dir, check)
			assert.ErrorIs(t, err, tiles.ErrChanged, "%s, %s", name, what)
			require.NoError(t, os.WriteFile(name, content, 0o644))
		}
	}
	for _, name := range all {
		// What an export before has left may go: clients that take the full tile do not
		// miss it.
		if rel, err := filepath.Rel(dir, name); err != nil || left[rel] {
			continue
		}
		require.NoError(t, os.Rename(name, name+".tmp"))
		for _, o := range []tiles.Options{check, {}} {
			// Without Check, what is not at the edge is not looked at.
			if _, err := l.export(dir, o); err == nil && o.Check || err != nil && !errors.Is(err, tiles.ErrChanged) {
				t.Errorf("%s is gone: %v", name, err)
			}
		}
		require.NoError(t, os.Rename(name+".tmp", name))
	}
	l.mustExport(dir, check)
}

// Of an export whose checkpoint is gone, another log goes on with none of the files, full
// or not.
func TestRemainsOfAnotherLog(t *testing.T) {
	for name, sizes := range map[string][2]int{"smaller": {5, 9}, "larger": {9, 5}, "full tiles": {600, 300}, "fewer": {300, 600}} {
		t.Run(name, func(t *testing.T) {
			for _, o := range []tiles.Options{{}, {HashesOnly: true}} {
				other, l := newLog(t, 1<<20), newLog(t, 1<<20)
				dir := filepath.Join(t.TempDir(), "out")
				other.grow(sizes[0], 0)
				other.mustExport(dir, tiles.Options{})
				require.NoError(t, os.Remove(filepath.Join(dir, "checkpoint")))
				l.grow(sizes[1], 0)
				_, err := l.export(dir, o)
				assert.Error(t, err, "exported into another log's files")
				_, err = os.Stat(filepath.Join(dir, "checkpoint"))
				assert.ErrorIs(t, err, fs.ErrNotExist, "there is a checkpoint over a mixture")
				// The log's own are gone on with.
				if o.HashesOnly {
					continue
				}
				other.grow(sizes[0], 0)
				other.mustExport(dir, o)
				other.mustExport(dir, tiles.Options{Check: true})
			}
		})
	}
}
