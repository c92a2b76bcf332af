// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
)

// Erase overwrites a file and then removes it. That it is gone is no error. What has been
// overwritten may survive in copies that the file system, or the disk, has made.
func Erase(dir FS, name string) error {
	f, err := dir.Edit(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("erase a file: %w", err)
	}
	if err := errors.Join(overwrite(f), f.Close()); err != nil {
		return fmt.Errorf("erase %s: %w", name, err)
	}
	return Remove(dir, name)
}

// overwrite makes durable that none of a file's bytes is what it was.
func overwrite(f File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	noise := make([]byte, info.Size())
	_, _ = rand.Read(noise) // never fails
	if _, err := f.WriteAt(noise, 0); err != nil {
		return err
	}
	return f.Sync()
}
