// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package freespace

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Of returns how much this user may still write to the file system of a file.
func Of(f *os.File) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", f.Name(), err)
	}
	return uint64(max(0, st.F_bavail)) * uint64(st.F_bsize), nil
}
