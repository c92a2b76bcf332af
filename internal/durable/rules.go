// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Content writes a file's content.
type Content func(io.Writer) error

// Bytes is content that is in memory.
func Bytes(b []byte) Content {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// Copy is content that is read.
func Copy(r io.Reader) Content {
	return func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	}
}

// Sync makes an open file durable, its content first and then its name.
func Sync(dir FS, f File) error {
	if err := f.Sync(); err != nil {
		return err
	}
	return dir.Sync()
}

// SyncExisting makes a file of a directory durable that somebody else has written, its name
// included.
func SyncExisting(dir FS, name string) error {
	f, err := dir.Edit(name)
	if err != nil {
		return err
	}
	err = errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = dir.Sync()
	}
	if err != nil {
		return fmt.Errorf("sync %s: %w", name, err)
	}
	return nil
}

// Replace writes a file in place of one that may have the name. Until it is durable as a
// whole, the name leads to what it led to before; if that fails, it still does, unless only the
// directory could not be synced: then the name leads to the new content, which a power cut may
// take back.
func Replace(dir FS, name string, mode fs.FileMode, content Content) error {
	err := replace(dir, name, mode, content)
	if err == nil {
		err = dir.Sync()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// CreateNew writes a file that is not there yet. If it fails, the file is not there.
func CreateNew(dir FS, name string, mode fs.FileMode, content Content) error {
	err := createNew(dir, name, mode, content)
	if err == nil {
		if err = dir.Sync(); err != nil {
			err = errors.Join(err, dir.Remove(name))
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// names is what the rules need of a directory to give a file its name.
type names interface {
	Create(name string) (File, error)
	Rename(oldname, newname string) error
	Remove(name string) error
}

// replace is [Replace], whose name is not durable yet.
func replace(dir names, name string, mode fs.FileMode, content Content) error {
	temporary := name + TempSuffix
	// A writer that was cut off may have left one.
	if err := remove(dir, temporary); err != nil {
		return err
	}
	if err := createNew(dir, temporary, mode, content); err != nil {
		return err
	}
	if err := dir.Rename(temporary, name); err != nil {
		return errors.Join(err, remove(dir, temporary))
	}
	return nil
}

// createNew is [CreateNew], whose name is not durable yet.
func createNew(dir names, name string, mode fs.FileMode, content Content) error {
	f, err := dir.Create(name)
	if err != nil {
		return err
	}
	if err = content(io.NewOffsetWriter(f, 0)); err == nil && mode != Private {
		err = f.Chmod(mode) // not before it is whole
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, remove(dir, name))
	}
	return nil
}

func remove(dir names, name string) error {
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Extend writes to a file from the place up to which it is known to be good, and cuts off what
// follows that. If there is none and nothing of it is good, it makes one. It returns where
// the file ends then. If the file has lost some of what is good, the error is [ErrShort], and
// nothing is written: the gap would be filled with zeros.
func Extend(dir FS, name string, good int64, content Content) (end int64, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", name, err)
		}
	}()
	f, err := dir.Edit(name)
	if errors.Is(err, fs.ErrNotExist) && good == 0 {
		f, err = dir.Create(name)
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() < good {
		return 0, fmt.Errorf("%w: %d bytes of %d", ErrShort, info.Size(), good)
	}
	if err := f.Truncate(good); err != nil {
		return 0, err
	}
	w := &counter{w: io.NewOffsetWriter(f, good), n: good}
	if err := content(w); err != nil {
		return 0, errors.Join(err, f.Truncate(good))
	}
	return w.n, Sync(dir, f)
}

// counter knows where a writer is.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Rename gives a file another name. If it is gone the directory is synced all the same, since
// an earlier attempt may have failed there, and the error is [fs.ErrNotExist].
func Rename(dir FS, oldname, newname string) error {
	gone := dir.Rename(oldname, newname)
	if gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		return gone
	}
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("rename %s to %s: %w", oldname, newname, err)
	}
	return gone
}

// Remove removes files, in that order. That one is gone is no error.
func Remove(dir FS, names ...string) error {
	for _, name := range names {
		if err := remove(dir, name); err != nil {
			return err
		}
	}
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("remove %s: %w", names, err)
	}
	return nil
}
