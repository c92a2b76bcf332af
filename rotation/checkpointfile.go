// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// checkpointOnDisk is the checkpoint file, a convenience copy that never gets older.
type checkpointOnDisk struct {
	dir  durable.FS
	note []byte // what it holds, if that is a checkpoint of this log
}

// replace has the file hold a checkpoint, if it is no older than what the file holds. note may
// be nil: then a file that holds none gets the newest.
func (c *checkpointOnDisk) replace(note, newest []byte) error {
	if note == nil && c.note == nil {
		note = newest
	}
	if note == nil || bytes.Equal(note, c.note) || c.isNewerThan(note) {
		return nil
	}
	if err := durable.Replace(c.dir, sidefile.CheckpointName, durable.Private, durable.Bytes(note)); err != nil {
		return err
	}
	c.note = note
	return nil
}

func (c *checkpointOnDisk) isNewerThan(note []byte) bool {
	held, err := signing.ParseCheckpoint(c.note)
	if err != nil { // there is none
		return false
	}
	offered, err := signing.ParseCheckpoint(note)
	return err != nil || offered.Size < held.Size
}
