// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package durable_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
)

func newTree(t *testing.T) (string, *os.Root, *durable.Tree) {
	t.Helper()
	path := t.TempDir()
	root, err := os.OpenRoot(path)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	return path, root, durable.NewTree(root)
}

func TestTree(t *testing.T) {
	path, root, tree := newTree(t)
	for _, content := range []string{"old", "new"} {
		require.NoError(t, tree.Replace("a/b/file", durable.Public, durable.Bytes([]byte(content))))
	}
	require.NoError(t, errors.Join(tree.Mkdir("c", 0o700), tree.CreateNew("c/new", durable.Private, durable.Copy(strings.NewReader("new")))))
	broken := errors.New("the source is broken")
	fails := func(w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, broken)
	}
	for name, err := range map[string]error{
		"a/b/file": tree.Replace("a/b/file", durable.Public, fails),
		"c/other":  tree.CreateNew("c/other", durable.Private, fails),
	} {
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	assert.ErrorIs(t, tree.CreateNew("c/new", durable.Private, durable.Bytes(nil)), fs.ErrExist)
	for _, out := range []string{"../out", "a/../../out"} {
		assert.Error(t, errors.Join(tree.Replace(out, durable.Public, durable.Bytes(nil))), "%s leads out", out)
	}
	var got []string
	assert.NoError(t, fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			got = append(got, name)
		}
		return err
	}), got)
	assert.Equal(t, "a/b/file c/new", strings.Join(got, " "), got)
	b, err := os.ReadFile(filepath.Join(path, "a", "b", "file"))
	assert.Equal(t, "new", string(b), b)
	assert.NoError(t, err, b)
	assert.NoError(t, tree.Sync())
	// A directory that cannot be synced is tried again.
	tree.Changed("a/b/file")
	require.NoError(t, os.Rename(filepath.Join(path, "a", "b"), filepath.Join(path, "away")))
	for range 2 {
		assert.ErrorIs(t, tree.Sync(), fs.ErrNotExist)
	}
	require.NoError(t, os.Rename(filepath.Join(path, "away"), filepath.Join(path, "a", "b")))
	assert.NoError(t, tree.Sync())
}

func TestLockOfATree(t *testing.T) {
	path, _, tree := newTree(t)
	_, _, elsewhere := newTree(t)
	unlock, err := tree.Lock()
	require.NoError(t, err)
	root, err := os.OpenRoot(path)
	require.NoError(t, err)
	defer root.Close()
	second := durable.NewTree(root)
	if _, err := second.Lock(); !errors.Is(err, durable.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if unlock, err := elsewhere.Lock(); err != nil {
		t.Error(err)
	} else if err := unlock(); err != nil {
		t.Error(err)
	}
	assert.NoError(t, unlock())
	unlock, err = second.Lock()
	require.NoError(t, err)
	assert.NoError(t, unlock())
	entries, err := os.ReadDir(path)
	assert.NoError(t, err)
	assert.Empty(t, entries)
}

func TestLink(t *testing.T) {
	path, root, _ := newTree(t)
	require.NoError(t, errors.Join(os.WriteFile(filepath.Join(path, "file"), []byte("old"), 0o600), os.Symlink("file", filepath.Join(path, "link"))))
	opened, err := root.Stat("file")
	require.NoError(t, err)
	for name, want := range map[string]bool{"file": true, "link": false, "gone": false} {
		to, _, tree := newTree(t)
		linked, err := tree.Link(root, name, opened)
		assert.Equal(t, want, linked, name)
		assert.NoError(t, err, name)
		_, err = os.Lstat(filepath.Join(to, name))
		assert.Equal(t, want, err == nil, "%s: %v", name, err)
	}
}
