// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"io/fs"
	"slices"
	"sync/atomic"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/keyhistory"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// checker is one run.
type checker struct {
	fsys fs.FS
	o    Options
	now  time.Time
	// keys are the keys trusted for events, or the one that the log names if there are
	// none; checkpointKeys those trusted for checkpoints.
	keys, checkpointKeys []*signing.PublicKey
	// kept are checkpoints that the log must extend, keptOf those of a size that are good;
	// given is how many come from the caller.
	kept       []*keptCheckpoint
	keptOf     map[uint64][]*keptCheckpoint
	fromCaller int
	// noCheckpointOnDisk says that the log's file checkpoint is not there, or empty.
	noCheckpointOnDisk bool
	// history is the key changes in their file, changes are those and the ones in the segments.
	history *keyhistory.History
	changes *keyChanges
	// known are the results of segments that have been checked.
	checkedFiles map[fileState]*result
	// perSegment bounds the findings of each severity kept for a segment.
	perSegment int
	// base is the index of the first leaf there is, files the number of files that have a
	// segment's name.
	base  uint64
	files int
	// values are the files of openings, sorted.
	values []string
	// lastHead has the keys of the header that was read last; see publicKeys.
	lastHead *authority
	// log are findings about the log as a whole.
	log findings

	done, total atomic.Int64
	// slots bounds the goroutines that check lines.
	slots chan struct{}
	// budget bounds the bytes they have in hand.
	budget byteBudget
}

// fileState names a file as it was when it was checked.
type fileState struct {
	name   string
	size   int64
	newest bool
}

// add notes a finding about the log as a whole.
func (c *checker) add(one Finding) { c.log.add(c.o.MaxFindings, one) }

// say notes a finding about the log as a whole, and a leaf of it.
func (c *checker) say(kind Kind, severity Severity, index *uint64, format string, args ...any) {
	c.add(newFinding(kind, severity, place{index: index}, format, args...))
}

// progress reports that n more stored bytes have been read.
func (c *checker) progress(n int64) {
	done := c.done.Add(n)
	if c.o.Progress != nil {
		c.o.Progress(done, c.total.Load())
	}
}

// trusts reports whether the caller trusts a key to sign events.
func (c *checker) trusts(k *signing.PublicKey) bool { return slices.ContainsFunc(c.keys, k.Equal) }
