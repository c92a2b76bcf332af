// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

const dontWait = 0 // there are no named pipes in directories

// errSystem is why no log is written here: nothing tells who else can change what is in its
// directory, and directories cannot be made durable.
var errSystem = fmt.Errorf("audit logs are not written on %s, only checked and read: write them on Linux or another Unix system: %w", runtime.GOOS, errors.ErrUnsupported)

// syncDirectory does nothing: directories cannot be synced. What is written here, proofs and
// copies, can be made again.
func syncDirectory(*os.File) error { return nil }

func checkOwner(string, fs.FileInfo) error { return errSystem }

func (d *directory) takeLock() (*os.File, error) { return nil, errSystem }

func lockFile(*os.Root, string) (*os.File, error) { return nil, errSystem }

// Lock does nothing: the caller has to see to it that no two writers overlap.
func (t *Tree) Lock() (unlock func() error, err error) { return func() error { return nil }, nil }

func hardLink(_, _ *os.Root, _ string) error { return errors.ErrUnsupported }
