// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// dontWait keeps the opening of a named pipe, which has taken a file's place, from waiting.
const dontWait = unix.O_NONBLOCK

func syncDirectory(f *os.File) error { return f.Sync() }

// checkOwner refuses a directory in which others could change files.
func checkOwner(path string, info fs.FileInfo) error {
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("the directory %s belongs to user %d, but the collector runs as %d: chown it, or choose another directory", path, st.Uid, os.Geteuid())
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return fmt.Errorf("the directory %s has mode %#o, others can write to it: chmod 700 %s", path, perm, path)
	}
	return nil
}

// takeLock locks the directory for this writer alone, by the lock file and, where
// that is possible, by the directory itself: a lock file can be taken for a stale one
// and be removed.
func (d *directory) takeLock() (_ *os.File, err error) {
	f, err := lockFile(d.root, LockName)
	if err == nil {
		// Network file systems may not lock what is not open for writing (EBADF).
		if err = flock(d.self); !errors.Is(err, ErrLocked) {
			return f, nil
		}
		err = errors.Join(err, f.Close())
	}
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("the directory %s: %w: it has one writer; give this one a directory of its own", d.path, err)
	}
	return nil, fmt.Errorf("lock the directory %s: %w", d.path, err)
}

// lockFile locks a file, which it makes if there is none.
func lockFile(root *os.Root, name string) (_ *os.File, err error) {
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|dontWait, Private)
	if err != nil {
		return nil, err
	}
	err = f.Chmod(Private) // whatever the umask is
	if err == nil {
		err = flock(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// flock takes the lock of an open file, which lasts until it is closed, by this process or by
// its end.
func flock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// Lock locks the directory itself until the function that it returns is called: a directory
// that is handed out holds no lock file. If another has the lock, the error is [ErrLocked].
func (t *Tree) Lock() (unlock func() error, err error) {
	self, err := t.root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("lock the directory %s: %w", t.root.Name(), err)
	}
	if err := flock(self); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the directory %s: %w", t.root.Name(), err), self.Close())
	}
	return self.Close, nil
}

// hardLink links a file of one directory into another, under the same name.
func hardLink(from, to *os.Root, name string) (err error) {
	a, err := from.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	b, err := to.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	// The name is one element: without the flag to follow links, it leads nowhere else.
	return unix.Linkat(int(a.Fd()), path.Base(name), int(b.Fd()), path.Base(name), 0)
}
