// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"errors"
	"io"
	"io/fs"
)

// FS is a directory whose files are written durably. All names are of files
// directly within it. Reading goes through io/fs; it never follows links.
//
// [Open], [OpenShared] and [OpenLocked] return the operating system's. Tests put a
// model in its place that remembers what has been synced, or one that fails.
type FS interface {
	fs.ReadDirFS
	fs.ReadLinkFS

	// Create makes a new file, readable and writable by its owner alone, and
	// fails if the name is taken, if only by a dangling link.
	Create(name string) (File, error)
	// Edit opens an existing regular file for reading and writing, without
	// following a link.
	Edit(name string) (File, error)
	// Rename replaces newname atomically.
	Rename(oldname, newname string) error
	Remove(name string) error
	// Sync makes creations, renames and removals durable.
	Sync() error
	// Lock locks a file, which it makes if there is none, until it is closed. If
	// another has the lock, the error is [ErrLocked].
	Lock(name string) (io.Closer, error)
	// Free returns the number of bytes that an unprivileged writer can still
	// use on the file system.
	Free() (uint64, error)
	// Same reports whether two descriptions, as Lstat and File.Stat give them,
	// are of one file.
	Same(a, b fs.FileInfo) bool
	// Present fails if the directory that was opened is no longer the one at
	// its path: the error is [fs.ErrNotExist] or [ErrReplaced] then.
	Present() error
	// CheckOwner refuses a directory in which others could change files.
	CheckOwner() error
	Close() error
}

// File is a file opened for writing. It is for one goroutine at a time.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Chmod(mode fs.FileMode) error
	// Sync makes the file's content and length durable.
	Sync() error
	Stat() (fs.FileInfo, error)
	// Forget asks the system to drop what it caches of the file, so that the
	// next read shows what the disk holds. Best effort.
	Forget()
}

const (
	// Private lets the owner alone see a file, Public lets others read it.
	Private fs.FileMode = 0o600
	Public  fs.FileMode = 0o644

	privateDirectory fs.FileMode = 0o700
	publicDirectory  fs.FileMode = 0o755

	// LockName is the file whose lock the one writer of a directory holds.
	LockName = ".lock"
	// TempSuffix ends the names of files that are being written and are not
	// there yet for readers.
	TempSuffix = ".tmp"
)

var (
	// ErrLocked: another process, or another part of this one, holds the lock.
	ErrLocked = errors.New("another writer holds the lock")
	// ErrReplaced: another directory is where the one that was opened was.
	ErrReplaced = errors.New("another directory has taken its place")
	// ErrShort: a file has lost some of what was in it.
	ErrShort = errors.New("it is shorter than what was written to it")
)
