// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrNotRegular: the name belongs to a link, a pipe, a directory or a device.
var ErrNotRegular = errors.New("not a regular file")

// OpenRegular opens a file of a log directory, if it is a regular one, without
// following a link and without blocking on a pipe.
func OpenRegular(fsys fs.FS, name string) (fs.File, error) {
	before, err := fs.Lstat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: %w but %s", name, ErrNotRegular, before.Mode().Type())
	}
	file, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	after, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	// Whoever swaps the name for a link between the two calls does not get
	// the link followed. Only the operating system's files can be compared.
	if _, ok := file.(*os.File); !after.Mode().IsRegular() || ok && !os.SameFile(before, after) {
		file.Close()
		return nil, fmt.Errorf("open %s: %w: it was replaced while it was being opened", name, ErrNotRegular)
	}
	return file, nil
}
