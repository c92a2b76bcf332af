// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package rootfs reads directories that others can write to.
package rootfs

import (
	"io/fs"
	"os"
)

// Of is [os.Root.FS], but opening a named pipe does not wait for somebody to write to it:
// whoever can write to the directory can put one in the place of a file at any moment, also
// after it has been looked at.
func Of(root *os.Root) fs.FS { return rootFS{root.FS().(all), root} }

// all is what a file system of package os does.
type all interface {
	fs.ReadDirFS
	fs.ReadFileFS
	fs.ReadLinkFS
	fs.StatFS
}

type rootFS struct {
	all
	root *os.Root
}

func (f rootFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	file, err := f.root.OpenFile(name, os.O_RDONLY|dontWait, 0)
	if err != nil {
		return nil, err
	}
	return file, nil
}
