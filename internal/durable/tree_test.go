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

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
)

func newTree(t *testing.T) (string, *os.Root, *durable.Tree) {
	t.Helper()
	path := t.TempDir()
	root, err := os.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return path, root, durable.NewTree(root)
}

func TestTree(t *testing.T) {
	path, root, tree := newTree(t)
	for _, content := range []string{"old", "new"} {
		if err := tree.Replace("a/b/file", durable.Public, durable.Bytes([]byte(content))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tree.Mkdir("c", 0o700), tree.CreateNew("c/new", durable.Private, durable.Copy(strings.NewReader("new")))); err != nil {
		t.Fatal(err)
	}
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
	if err := tree.CreateNew("c/new", durable.Private, durable.Bytes(nil)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	}
	for _, out := range []string{"../out", "a/../../out"} {
		if err := errors.Join(tree.Replace(out, durable.Public, durable.Bytes(nil))); err == nil {
			t.Errorf("%s leads out", out)
		}
	}
	var got []string
	if err := fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			got = append(got, name)
		}
		return err
	}); err != nil || strings.Join(got, " ") != "a/b/file c/new" {
		t.Errorf("%q, %v", got, err)
	}
	if b, err := os.ReadFile(filepath.Join(path, "a", "b", "file")); string(b) != "new" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if err := tree.Sync(); err != nil {
		t.Error(err)
	}
	// A directory that cannot be synced is tried again.
	tree.Changed("a/b/file")
	if err := os.Rename(filepath.Join(path, "a", "b"), filepath.Join(path, "away")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := tree.Sync(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
	}
	if err := os.Rename(filepath.Join(path, "away"), filepath.Join(path, "a", "b")); err != nil {
		t.Fatal(err)
	}
	if err := tree.Sync(); err != nil {
		t.Error(err)
	}
}

func TestLockOfATree(t *testing.T) {
	path, _, tree := newTree(t)
	_, _, elsewhere := newTree(t)
	unlock, err := tree.Lock()
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
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
	if err := unlock(); err != nil {
		t.Error(err)
	}
	unlock, err = second.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(path); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v: a directory that is handed out holds no lock file", entries, err)
	}
}

func TestLink(t *testing.T) {
	path, root, _ := newTree(t)
	if err := errors.Join(os.WriteFile(filepath.Join(path, "file"), []byte("old"), 0o600), os.Symlink("file", filepath.Join(path, "link"))); err != nil {
		t.Fatal(err)
	}
	opened, err := root.Stat("file")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"file": true, "link": false, "gone": false} {
		to, _, tree := newTree(t)
		linked, err := tree.Link(root, name, opened)
		if linked != want || err != nil {
			t.Errorf("%s: %v, %v", name, linked, err)
		}
		if _, err := os.Lstat(filepath.Join(to, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
