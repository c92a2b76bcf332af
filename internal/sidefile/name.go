// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package sidefile knows the files of a log directory other than its segments (docs/format.md,
// section 2): their names, and the lines of those that have lines.
package sidefile

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// CheckpointName is the convenience copy of the newest signed checkpoint.
	CheckpointName = "checkpoint"
	// KeyChangesName is the file that lists the log's key changes, the oldest first: a copy of
	// what the log's own events say, for when retention has deleted those.
	KeyChangesName = "key-changes"
	// PrunedRangesName is the file that keeps, of segments that retention deletes, what it
	// takes to compute the root hash at each of their checkpoints.
	PrunedRangesName = "pruned-ranges"
	// ValuesSuffix stands for .jsonl in the name of the file with the openings of values that
	// the events of a segment hold commitments to.
	ValuesSuffix = ".values"
)

const (
	tornPrefix = "torn-"
	tornSuffix = ".tail"
	tornDigits = 20
)

// TornName returns the name of the file in which a restart sets aside the
// bytes behind the last checkpoint of a segment: index is the first leaf that
// the checkpoint does not cover, sum the SHA-256 of the bytes.
func TornName(index uint64, sum [32]byte) string {
	return fmt.Sprintf("%s%0*d-%x%s", tornPrefix, tornDigits, index, sum[:8], tornSuffix)
}

// TornIndex returns the index in a name that [TornName] returned, and whether s has
// that form.
func TornIndex(s string) (index uint64, ok bool) {
	rest, ok := strings.CutPrefix(s, tornPrefix)
	if !ok {
		return 0, false
	}
	rest, ok = strings.CutSuffix(rest, tornSuffix)
	if !ok || len(rest) != tornDigits+1+16 || rest[tornDigits] != '-' ||
		strings.Trim(rest[:tornDigits], "0123456789") != "" || strings.Trim(rest[tornDigits+1:], "0123456789abcdef") != "" {
		return 0, false
	}
	index, err := strconv.ParseUint(rest[:tornDigits], 10, 64)
	return index, err == nil
}

// IsTornName reports whether s has the form that [TornName] returns.
func IsTornName(s string) bool {
	_, ok := TornIndex(s)
	return ok
}
