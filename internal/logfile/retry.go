// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// maxTries bounds how often in a row a log may change while it is being read.
const maxTries = 5

// errChanging: files came and went faster than they could be read.
var errChanging = errors.New("the log kept changing while it was being read: try again, or read a copy")

// Retry calls read until it does not fail because a file has gone: what read has listed may be
// compressed or deleted before it is read. After the fifth time it says so, and returns the last
// error as well.
func Retry(ctx context.Context, read func() error) error {
	for try := 1; ; try++ {
		err := read()
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if try == maxTries {
			return fmt.Errorf("%w: %w", errChanging, err)
		}
	}
}
