// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyfile

import (
	"golang.org/x/sys/unix"
)

// mountedReadOnly reports whether nothing can be written where a directory is mounted.
func mountedReadOnly(directory string) bool {
	var st unix.Statfs_t
	return unix.Statfs(directory, &st) == nil && st.Flags&unix.ST_RDONLY != 0
}
