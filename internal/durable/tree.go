// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// Tree is a directory and those below it, to which many files are written: each is durable at
// once, and their names are when [Tree.Sync] has returned. No name, which is a path with
// slashes, leads out of it. It is for one goroutine at a time.
type Tree struct {
	root    *os.Root
	changed map[string]bool // the directories that are to be synced
}

// NewTree returns the tree of a directory, which remains the caller's to close.
func NewTree(root *os.Root) *Tree { return &Tree{root, map[string]bool{}} }

// Mkdir makes a directory of the tree, unless it is there, and those above it.
func (t *Tree) Mkdir(name string, mode fs.FileMode) error {
	if name != "." {
		if err := t.root.MkdirAll(name, mode); err != nil {
			return err
		}
	}
	t.change(name)
	return nil
}

// CreateNew writes a file that is not there yet. If it fails, the file is not there.
func (t *Tree) CreateNew(name string, mode fs.FileMode, content Content) error {
	if err := createNew(rooted{t.root}, name, mode, content); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	t.Changed(name)
	return nil
}

// Replace writes a file in place of one that may have the name, and makes the directories
// above it. Until it is whole, the name leads to what it led to before.
func (t *Tree) Replace(name string, mode fs.FileMode, content Content) error {
	dir := path.Dir(name)
	err := error(nil)
	if !t.changed[dir] {
		err = t.Mkdir(dir, publicDirectory)
	}
	if err == nil {
		err = replace(rooted{t.root}, name, mode, content)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	t.Changed(name)
	return nil
}

// Link makes a hard link of a file of another directory that has been opened, as info says,
// under the same name. It returns false, and nothing is there, if the file is to be copied:
// links cannot be made, or the name does not lead to what was opened any more.
func (t *Tree) Link(from *os.Root, name string, info fs.FileInfo) (bool, error) {
	if err := hardLink(from, t.root, name); err != nil {
		return false, nil // another file system, or one that has no links
	}
	there, err := t.root.Lstat(name)
	if err == nil && os.SameFile(info, there) {
		t.Changed(name)
		return true, nil
	}
	return false, errors.Join(err, t.root.Remove(name))
}

// Changed has the name of a file made durable with the others: one that another writer may
// have left undone.
func (t *Tree) Changed(name string) { t.change(path.Dir(name)) }

func (t *Tree) change(dir string) {
	for ; !t.changed[dir]; dir = path.Dir(dir) {
		t.changed[dir] = true
	}
}

// Sync makes the names of all files that were written so far durable.
func (t *Tree) Sync() error {
	for dir := range t.changed {
		f, err := t.root.Open(dir)
		if err != nil {
			return fmt.Errorf("sync a directory: %w", err)
		}
		if err := errors.Join(syncDirectory(f), f.Close()); err != nil {
			return fmt.Errorf("sync the directory %s: %w", dir, err)
		}
		delete(t.changed, dir)
	}
	return nil
}

// rooted gives files below a directory their names.
type rooted struct{ *os.Root }

func (r rooted) Create(name string) (File, error) { return createFile(r.Root, name) }

// SyncRead makes a file or a directory durable that others write and that is only read here,
// where the file system can.
func SyncRead(fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	if s, ok := f.(interface{ Sync() error }); ok {
		err = s.Sync()
	}
	return errors.Join(err, f.Close())
}
