// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtest

import (
	"io/fs"
	"testing/fstest"
)

// Live is a directory that changes while it is being read.
type Live struct {
	fstest.MapFS
	// Before is called before a file or, as ".", the directory is opened.
	Before func(name string)
}

func (l Live) Lstat(name string) (fs.FileInfo, error) {
	l.Before(name)
	return l.MapFS.Lstat(name)
}

func (l Live) ReadDir(name string) ([]fs.DirEntry, error) {
	l.Before(name)
	return l.MapFS.ReadDir(name)
}
