// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package durabletest

import (
	"fmt"
	"io"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
)

// Failing is a directory whose operations fail when they are asked to.
type Failing struct {
	durable.FS
	// Fail is asked before each operation that changes something, "create", "edit", "write",
	// "truncate", "sync", "close", "rename", "remove", "lock", or "sync directory",
	// with the name of the file; an error is what comes of it.
	Fail func(op, name string) error
}

func (f *Failing) ask(op, name string) error {
	if err := f.Fail(op, name); err != nil {
		return fmt.Errorf("%s %s: %w", op, name, err)
	}
	return nil
}

func (f *Failing) Create(name string) (durable.File, error) {
	return f.open("create", name, f.FS.Create)
}

func (f *Failing) Edit(name string) (durable.File, error) { return f.open("edit", name, f.FS.Edit) }

func (f *Failing) open(op, name string, open func(string) (durable.File, error)) (durable.File, error) {
	if err := f.ask(op, name); err != nil {
		return nil, err
	}
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	return &failingFile{file, f, name}, nil
}

func (f *Failing) Rename(oldname, newname string) error {
	if err := f.ask("rename", newname); err != nil {
		return fmt.Errorf("%s: %w", oldname, err)
	}
	return f.FS.Rename(oldname, newname)
}

func (f *Failing) Remove(name string) error {
	if err := f.ask("remove", name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f *Failing) Sync() error {
	if err := f.ask("sync directory", ""); err != nil {
		return err
	}
	return f.FS.Sync()
}

func (f *Failing) Lock(name string) (io.Closer, error) {
	if err := f.ask("lock", name); err != nil {
		return nil, err
	}
	return f.FS.Lock(name)
}

type failingFile struct {
	durable.File
	dir  *Failing
	name string
}

// WriteAt writes half of what it is given if it fails.
func (f *failingFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.dir.ask("write", f.name); err != nil {
		n, werr := f.File.WriteAt(p[:len(p)/2], at)
		if werr != nil {
			return n, werr
		}
		return n, err
	}
	return f.File.WriteAt(p, at)
}

func (f *failingFile) Truncate(size int64) error {
	if err := f.dir.ask("truncate", f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *failingFile) Sync() error {
	if err := f.dir.ask("sync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

// Close closes the file also if it fails.
func (f *failingFile) Close() error {
	err := f.dir.ask("close", f.name)
	if cerr := f.File.Close(); err == nil {
		err = cerr
	}
	return err
}
