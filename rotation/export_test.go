// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"runtime"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// AwaitGroup waits until so many calls have joined the group that waits for the
// commit under way.
func AwaitGroup(l *Log, calls int) {
	for {
		l.mu.Lock()
		n := 0
		if l.next != nil {
			n = len(l.next.calls)
		}
		l.mu.Unlock()
		if n == calls {
			return
		}
		runtime.Gosched()
	}
}

// MaxRecalledSegments is how many segments a start reads for ids.
const MaxRecalledSegments = maxRecalledSegments

// EndOfRanges is where the ranges in the file of a directory end that lead to a tree.
func EndOfRanges(ctx context.Context, dir durable.FS, to merkle.Frontier) (int64, error) {
	f, err := dir.Edit(sidefile.PrunedRangesName)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return rangesIn(ctx, f, to)
}

// MaxWriteBytes is how much of a commit is written at a time.
const MaxWriteBytes = maxWriteBytes

// What callers are told of failures, for tests to tell them apart.
var (
	ErrClosed      = errClosed
	ErrWrongKey    = errWrongKey
	ErrRolledBack  = errRolledBack
	ErrMissing     = errMissing
	ErrNotExtended = errNotExtended
)

const (
	ReasonDiskFull      = reasonDiskFull
	ReasonIO            = reasonIO
	ReasonSyncFailed    = reasonSyncFailed
	ReasonSigning       = reasonSigning
	ReasonInterference  = reasonInterference
	ReasonClosed        = reasonClosed
	ReasonRetentionHeld = reasonRetentionHeld
)

// Recent is which segments a start reads.
var Recent = recent
