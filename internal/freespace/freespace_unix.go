// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !netbsd && !openbsd

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
	// On FreeBSD it is below zero where only root has room.
	return uint64(max(0, int64(st.Bavail))) * uint64(st.Bsize), nil
}
