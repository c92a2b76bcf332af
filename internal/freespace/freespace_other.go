// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package freespace

import (
	"errors"
	"fmt"
	"os"
)

// Of returns errors.ErrUnsupported.
func Of(f *os.File) (uint64, error) {
	return 0, fmt.Errorf("ask for the free space of %s: %w", f.Name(), errors.ErrUnsupported)
}
