// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package rotation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// errSystem is why no log is written here: nothing tells who else can change what is in its
// directory, and directories cannot be made durable.
var errSystem = fmt.Errorf("audit logs are not written on %s, only checked and read: write them on Linux or another Unix system: %w", runtime.GOOS, errors.ErrUnsupported)

func checkDirectory(string, fs.FileInfo) error { return errSystem }

func takeLock(*os.Root, *os.File, string) (*os.File, error) { return nil, errSystem }

func takeNamedLock(*os.Root, string) (*os.File, error) { return nil, errSystem }
