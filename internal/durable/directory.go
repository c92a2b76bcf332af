// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/otel-auditlog/auditlogexporter/internal/freespace"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
)

// directory is the operating system's directory, reached through a descriptor,
// so that no name leads out of it.
type directory struct {
	path string
	root *os.Root
	self *os.File // for fsync
	lock *os.File
	fs.FS
}

// Open opens a directory of the operating system.
func Open(path string) (FS, error) {
	d, err := open(path)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// OpenShared opens a directory that several writers share, each with files of its own. It
// creates it if it does not exist.
func OpenShared(path string) (FS, error) {
	d, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if cerr := create(path); cerr != nil {
			return nil, errors.Join(err, cerr)
		}
		d, err = open(path)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// OpenLocked opens a directory for its one writer: it creates it if it does not exist,
// refuses it if others could change files in it, and takes its lock, which closing gives back.
func OpenLocked(path string) (_ FS, err error) {
	if err := create(path); err != nil {
		return nil, err
	}
	d, err := open(path)
	if err != nil {
		return nil, err
	}
	if err = d.CheckOwner(); err == nil {
		d.lock, err = d.takeLock()
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// In opens the directory that a path lies in, and gives it to do with the name in it.
func In(path string, do func(dir FS, name string) error) (err error) {
	d, err := Open(parentOf(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return do(d, filepath.Base(path))
}

func open(path string) (_ *directory, err error) {
	// Opening a named pipe would wait for somebody to write to it.
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("open the directory: %s is not a directory but %s", path, info.Mode().Type())
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open the directory: %w", err)
	}
	d := &directory{path: path, root: root, FS: rootfs.Of(root)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if d.self, err = root.Open("."); err != nil {
		return nil, fmt.Errorf("open the directory %s: %w", path, err)
	}
	return d, nil
}

func parentOf(path string) string { return filepath.Dir(filepath.Clean(path)) }

// create makes the directory and its missing parents, each durable before the next is made.
func create(path string) error {
	err := os.Mkdir(path, privateDirectory)
	if errors.Is(err, fs.ErrNotExist) {
		parent := parentOf(path)
		if parent == path {
			return fmt.Errorf("create the directory: %w", err)
		}
		if err := create(parent); err != nil {
			return err
		}
		err = os.Mkdir(path, privateDirectory)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = os.Chmod(path, privateDirectory) // whatever the umask is
	}
	if err != nil {
		return fmt.Errorf("create the directory: %w", err)
	}
	parent, err := os.Open(parentOf(path))
	if err != nil {
		return fmt.Errorf("create the directory %s: %w", path, err)
	}
	if err := errors.Join(syncDirectory(parent), parent.Close()); err != nil {
		return fmt.Errorf("make the new directory %s durable: %w", path, err)
	}
	return nil
}

// full gives an error the path of what it names within the directory.
func (d *directory) full(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return &fs.PathError{Op: e.Op, Path: filepath.Join(d.path, e.Path), Err: e.Err}
	case *os.LinkError:
		return &os.LinkError{Op: e.Op, Old: filepath.Join(d.path, e.Old), New: filepath.Join(d.path, e.New), Err: e.Err}
	}
	return err
}

func (d *directory) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(d.FS, name) }

func (d *directory) Lstat(name string) (fs.FileInfo, error) {
	info, err := d.root.Lstat(name)
	return info, d.full(err)
}

func (d *directory) ReadLink(name string) (string, error) {
	to, err := d.root.Readlink(name)
	return to, d.full(err)
}

func (d *directory) Create(name string) (File, error) {
	f, err := createFile(d.root, name)
	return f, d.full(err)
}

func createFile(root *os.Root, name string) (File, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, Private)
	if err != nil {
		return nil, err
	}
	// Whatever the umask took away or the file system added.
	if err := f.Chmod(Private); err != nil {
		return nil, errors.Join(err, f.Close(), root.Remove(name))
	}
	return file{f}, nil
}

func (d *directory) Edit(name string) (File, error) {
	before, err := d.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: not a regular file but %s", filepath.Join(d.path, name), before.Mode().Type())
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|dontWait, 0)
	if err != nil {
		return nil, d.full(err)
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = fmt.Errorf("open %s: it was replaced while it was being opened", filepath.Join(d.path, name))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return file{f}, nil
}

func (d *directory) Rename(oldname, newname string) error {
	return d.full(d.root.Rename(oldname, newname))
}

func (d *directory) Remove(name string) error { return d.full(d.root.Remove(name)) }

func (d *directory) Sync() error {
	if err := syncDirectory(d.self); err != nil {
		return fmt.Errorf("sync the directory %s: %w", d.path, err)
	}
	return nil
}

func (d *directory) Free() (uint64, error) { return freespace.Of(d.self) }

func (d *directory) Same(a, b fs.FileInfo) bool { return os.SameFile(a, b) }

func (d *directory) Present() error {
	at, err := os.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the directory is gone: %w", err)
	}
	if err != nil {
		return fmt.Errorf("look at the directory: %w", err)
	}
	open, err := d.self.Stat()
	if err != nil {
		return fmt.Errorf("the directory %s cannot be read: %w", d.path, err)
	}
	if !os.SameFile(at, open) {
		return fmt.Errorf("the directory %s: %w", d.path, ErrReplaced)
	}
	return nil
}

func (d *directory) CheckOwner() error {
	info, err := d.self.Stat()
	if err != nil {
		return fmt.Errorf("look at the directory %s: %w", d.path, err)
	}
	return checkOwner(d.path, info)
}

func (d *directory) Lock(name string) (io.Closer, error) {
	f, err := lockFile(d.root, name)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", filepath.Join(d.path, name), err)
	}
	return f, nil
}

func (d *directory) Close() error {
	var errs []error
	if d.lock != nil {
		// Closing the descriptor gives the lock back. The file stays: removing
		// it would let two writers lock two different files of that name.
		errs = append(errs, d.lock.Close())
	}
	if d.self != nil {
		errs = append(errs, d.self.Close())
	}
	errs = append(errs, d.root.Close())
	return errors.Join(errs...)
}

type file struct{ *os.File }

func (f file) Sync() error { return syncData(f.File) }

func (f file) Forget() { forgetCache(f.File) }
