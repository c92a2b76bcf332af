// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

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

// FS is the log's directory as the writer uses it. All names are of files
// directly within it. Reading goes through io/fs; it never follows links.
//
// The operating system's directory is the default. Tests put a model in its
// place that remembers what has been synced, or one that fails.
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
	// Free returns the number of bytes that an unprivileged writer can still
	// use on the file system.
	Free() (uint64, error)
	// Same reports whether two descriptions, as Lstat and File.Stat give them,
	// are of one file.
	Same(a, b fs.FileInfo) bool
	// Present fails if the directory that was opened is no longer the one at
	// its path.
	Present() error
	Close() error
}

// File is a file opened for writing. It is for one goroutine at a time.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	// Sync makes the file's content and length durable.
	Sync() error
	Stat() (fs.FileInfo, error)
	// Forget asks the system to drop what it caches of the file, so that the
	// next read shows what the disk holds. Best effort.
	Forget()
}

// dirMode and fileMode let the owner alone see the log.
const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
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

// OpenDirectory opens a directory of the operating system, creating it first if
// it does not exist, and takes the writer's lock in it.
func OpenDirectory(path string) (_ FS, err error) {
	if err := createDirectory(path); err != nil {
		return nil, err
	}
	d, err := openDirectory(path)
	if err != nil {
		return nil, err
	}
	err = d.check()
	if err == nil {
		d.lock, err = takeLock(d.root, d.self, path)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// openShared opens a directory that several writers share, each with files of its own. It
// creates it if it does not exist.
func openShared(path string) (*directory, error) {
	d, err := openDirectory(path)
	if errors.Is(err, fs.ErrNotExist) {
		if cerr := createDirectory(path); cerr != nil {
			return nil, errors.Join(err, cerr)
		}
		d, err = openDirectory(path)
	}
	return d, err
}

func openDirectory(path string) (_ *directory, err error) {
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

// check refuses a directory in which others could change files.
func (d *directory) check() error {
	info, err := d.self.Stat()
	if err != nil {
		return fmt.Errorf("look at the directory %s: %w", d.path, err)
	}
	return checkDirectory(d.path, info)
}

func parentOf(path string) string { return filepath.Dir(filepath.Clean(path)) }

// createDirectory makes the directory and its missing parents, each durable
// before the next is made.
func createDirectory(path string) error {
	err := os.Mkdir(path, dirMode)
	if errors.Is(err, fs.ErrNotExist) {
		parent := parentOf(path)
		if parent == path {
			return fmt.Errorf("create the directory: %w", err)
		}
		if err := createDirectory(parent); err != nil {
			return err
		}
		err = os.Mkdir(path, dirMode)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = os.Chmod(path, dirMode) // whatever the umask is
	}
	if err != nil {
		return fmt.Errorf("create the directory: %w", err)
	}
	parent, err := os.Open(parentOf(path))
	if err != nil {
		return fmt.Errorf("create the directory %s: %w", path, err)
	}
	err = parent.Sync()
	if cerr := parent.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("make the new directory %s durable: %w", path, err)
	}
	return nil
}

func (d *directory) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(d.FS, name) }

func (d *directory) Lstat(name string) (fs.FileInfo, error) { return d.root.Lstat(name) }

func (d *directory) ReadLink(name string) (string, error) { return d.root.Readlink(name) }

func (d *directory) Create(name string) (File, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	// Whatever the umask took away or the file system added.
	if err := f.Chmod(fileMode); err != nil {
		f.Close()
		return nil, errors.Join(err, d.root.Remove(name))
	}
	return file{f}, nil
}

func (d *directory) Edit(name string) (File, error) {
	before, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: not a regular file but %s", name, before.Mode().Type())
	}
	f, err := d.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = fmt.Errorf("open %s: it was replaced while it was being opened", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return file{f}, nil
}

func (d *directory) Rename(oldname, newname string) error { return d.root.Rename(oldname, newname) }

func (d *directory) Remove(name string) error { return d.root.Remove(name) }

func (d *directory) Sync() error {
	if err := d.self.Sync(); err != nil {
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
		return fmt.Errorf("the directory %s: %w", d.path, errReplaced)
	}
	return nil
}

// errReplaced: another directory is where the log's directory was.
var errReplaced = errors.New("another directory has taken its place")

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
