// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// wasClosed reports whether a standard file was closed when the process began. Go's runtime
// then opens the null device for reading and writing in its place, and writes to it
// succeed. Nobody redirects output there so on purpose: shells open it for writing only.
func wasClosed(f *os.File) bool {
	null, err := os.Stat(os.DevNull)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return true
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return os.SameFile(null, info) && err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}
