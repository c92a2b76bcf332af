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
	var st unix.Statvfs_t
	if err := unix.Fstatvfs(int(f.Fd()), &st); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", f.Name(), err)
	}
	return st.Bavail * st.Frsize, nil
}
