// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// checker is one run.
type checker struct {
	fsys    fs.FS
	o       verify.Options
	trusted *signers.Trusted
	sum     *Summary

	kept []keptCheckpoint
	// origins are those that the logs say they have, before they were checked.
	origins map[string]bool
	// endings are the logs by origin, partitions those that are partitions by the directory
	// that they are in.
	endings    map[string][]ending
	partitions map[string][]partition
}

// keptCheckpoint is one that the caller has kept.
type keptCheckpoint struct {
	verify.Kept
	signing.Checkpoint
	found bool // there is a log of its origin
}

func (c *checker) add(one Finding) { c.sum.add(c.o.MaxFindings, one) }

// ending is the tree of a log in a directory, of no leaves if it could not be checked.
type ending struct {
	path string
	size uint64
	root [32]byte
}

// partition is a log that is a partition.
type partition struct{ path, origin string }
