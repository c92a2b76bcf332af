// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segline

import (
	"strconv"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// IDs binds the ids of a commit's events. The events stand directly before the commit
// line: the i-th of Count ids is that of the leaf Count−i leaves before it.
type IDs struct {
	// Count is the number of the commit's event lines, the log's own included.
	Count uint64
	// Root is the root hash (RFC 6962, section 2.1) of the tree whose leaves are their ids,
	// in UTF-8.
	Root merkle.Hash
}

// MaxCommitBytes is far above the length of any commit line.
const MaxCommitBytes = 512

// AppendCommit appends a commit line, without LF. The number is 1 for the first commit of a
// log; ids is there if the segment has [FeatureIDs].
func AppendCommit(dst []byte, number uint64, at time.Time, ids *IDs) []byte {
	dst = append(dst, CommitStart+`{"number":`...)
	dst = strconv.AppendUint(dst, number, 10)
	dst = append(dst, `,"time":"`...)
	dst = at.UTC().AppendFormat(dst, timestamp.Layout)
	dst = append(dst, '"')
	if ids != nil {
		dst = append(dst, `,"ids":{"count":`...)
		dst = strconv.AppendUint(dst, ids.Count, 10)
		dst = append(dst, `,"root":`...)
		dst = jcs.AppendBase64(dst, ids.Root[:])
		dst = append(dst, '}')
	}
	return append(dst, "}}"...)
}
