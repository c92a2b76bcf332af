// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package rotation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

// checkDirectory refuses a directory in which others could change the log.
func checkDirectory(path string, info fs.FileInfo) error {
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
// and be removed. Both die with the process that holds them, so none is ever stale.
func takeLock(root *os.Root, self *os.File, path string) (_ *os.File, err error) {
	if info, err := root.Lstat(segment.LockName); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("lock the directory %s: %s is not a regular file", path, segment.LockName)
	}
	f, err := root.OpenFile(segment.LockName, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("lock the directory %s: %w", path, err)
	}
	if err := f.Chmod(fileMode); err != nil { // whatever the umask is
		f.Close()
		return nil, fmt.Errorf("lock the directory %s: %w", path, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		// Network file systems may not lock what is not open for writing (EBADF).
		if err = unix.Flock(int(self.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return f, nil
		}
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("the directory %s: %w: it has one writer; give this one a directory of its own", path, ErrLocked)
	}
	return nil, fmt.Errorf("lock the directory %s: %w", path, err)
}

// takeNamedLock locks a file, which it makes if there is none.
func takeNamedLock(root *os.Root, name string) (_ *os.File, err error) {
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("lock %s: it is not a regular file", name)
	}
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("lock a file: %w", err)
	}
	if err := f.Chmod(fileMode); err != nil { // whatever the umask is
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", name, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}
