// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package main

import "os"

// wasClosed reports whether a standard file was closed when the process began.
func wasClosed(f *os.File) bool {
	_, err := f.Stat()
	return err != nil
}
