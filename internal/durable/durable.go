// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package durable makes what has been done to files last through a power cut.
package durable

import (
	"errors"
	"os"
)

// SyncDirectory makes the names in a directory durable.
func SyncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
