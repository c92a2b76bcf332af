// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package signing

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner refuses a key that another user, root excepted, could change.
func checkOwner(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && st.Uid != 0 && st.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("%s belongs to user %d, not to this one (%d): chown it", path, st.Uid, os.Geteuid())
	}
	return nil
}
