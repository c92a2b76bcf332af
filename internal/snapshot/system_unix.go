// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package snapshot

import (
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// hardLink links a file of one directory into another, under the same name.
func hardLink(from, to *os.Root, name string) (err error) {
	a, err := from.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	b, err := to.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	// The name is one element: without the flag to follow links, it leads nowhere else.
	return unix.Linkat(int(a.Fd()), path.Base(name), int(b.Fd()), path.Base(name), 0)
}
