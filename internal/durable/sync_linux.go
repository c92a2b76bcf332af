// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes content and length durable, and of the metadata only what is
// needed to read them back, which saves a journal commit where the length did
// not change (fdatasync(2)).
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		// An interrupted call has not failed: nothing was tried.
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("sync %s: %w", f.Name(), err)
		}
		return nil
	}
}

// forgetCache drops clean pages only; what failed to be written is clean after
// the failure, which is why a later read could otherwise show bytes that never
// reached the disk.
func forgetCache(f *os.File) {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
