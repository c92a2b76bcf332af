// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

const (
	// checkpointName is the name of the newest checkpoint.
	checkpointName = "checkpoint"
	temporary      = ".tmp"
	// What is exported is to be published.
	dirMode  fs.FileMode = 0o755
	fileMode fs.FileMode = 0o644
)

// out is the directory that the files go to. No name leads out of it.
type out struct {
	root *os.Root
	made map[string]bool
	// dirs are those whose entries are to be made durable.
	dirs map[string]bool
}

// read reads a file of so many bytes.
func (o *out) read(name string, size int) ([]byte, error) {
	b, err := o.readAtMost(name, size)
	if err == nil && len(b) != size {
		err = fmt.Errorf("%w: %s has not the %d bytes that it had", ErrChanged, name, size)
	}
	return b, err
}

// open opens a regular file.
func (o *out) open(name string) (fs.File, error) {
	return segment.OpenRegular(rootfs.Of(o.root), name)
}

// readAtMost reads a regular file, up to a byte more than most.
func (o *out) readAtMost(name string, most int) ([]byte, error) {
	f, err := o.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(most)+1))
}

// write writes a file that is never to change: if it is there already, as an
// interrupted run leaves it, it must hold the same.
func (o *out) write(name string, content []byte) error {
	there, err := o.readAtMost(name, len(content))
	switch {
	case err == nil && bytes.Equal(there, content):
		o.changed(name) // whoever wrote it may not have come to make its name durable
		return nil
	case err == nil:
		return fmt.Errorf("%s is there already, and holds something else: it is of another history of the log, or of another log", name)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return o.replace(name, content)
}

// replace writes a file, durable but for its name, in place of one that may be there.
func (o *out) replace(name string, content []byte) (err error) {
	dir := path.Dir(name)
	if !o.made[dir] {
		if err := o.root.MkdirAll(dir, dirMode); err != nil {
			return err
		}
		o.made[dir] = true
	}
	if err := o.root.Remove(name + temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := o.root.OpenFile(name+temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := o.root.Rename(name+temporary, name); err != nil {
		return err
	}
	o.changed(name)
	return nil
}

// changed notes that the directories above a file are to be synced.
func (o *out) changed(name string) {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		o.dirs[dir] = true
		if dir == "." {
			return
		}
	}
}

// sync makes the names of all files written so far durable.
func (o *out) sync() error {
	for dir := range o.dirs {
		f, err := o.root.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		delete(o.dirs, dir)
	}
	return nil
}

// forget removes the tiles that were written before a tile was full. They are not
// needed for any tree, since whoever has not got them takes the full one.
func (o *out) forget(full string) error {
	return o.root.RemoveAll(full + ".p")
}
