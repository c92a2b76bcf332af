// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
)

// checkKeyDirectory refuses every private key: nothing tells here who can get at it.
func checkKeyDirectory(path string, _, _ bool) error {
	return fmt.Errorf("%s: private keys are not made or read on %s, where their protection cannot be checked: do it on Linux or another Unix system; public keys are read everywhere: %w", path, runtime.GOOS, errors.ErrUnsupported)
}

func checkOwner(path string, _ fs.FileInfo) error { return checkKeyDirectory(path, false, false) }
