// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Commit is a commit line: the last leaf of a commit, directly before the checkpoint line
// over it. It binds the checkpoint to the tree, so that no checkpoint line can be deleted
// unseen.
type Commit struct {
	// Number is 1 for the first commit of a log, and rises by one.
	Number uint64
	// Time is the writer's clock.
	Time time.Time
	// IDs is there if the segment has [FeatureIDs].
	IDs *IDs
}

// IDs binds the ids of a commit's events. The events stand directly before the commit
// line: the i-th of Count ids is that of the leaf Count−i leaves before it.
type IDs struct {
	// Count is the number of the commit's event lines, the log's own included.
	Count uint64
	// Root is the root hash (RFC 6962, section 2.1) of the tree whose leaves are their ids,
	// in UTF-8.
	Root merkle.Hash
}

// AppendCommit appends a commit line, without LF.
func AppendCommit(dst []byte, c Commit) []byte {
	dst = append(dst, commitStart+`{"number":`...)
	dst = strconv.AppendUint(dst, c.Number, 10)
	dst = append(dst, `,"time":"`...)
	dst = c.Time.UTC().AppendFormat(dst, TimeLayout)
	dst = append(dst, '"')
	if c.IDs != nil {
		dst = append(dst, `,"ids":{"count":`...)
		dst = strconv.AppendUint(dst, c.IDs.Count, 10)
		dst = append(dst, `,"root":`...)
		dst = appendBase64(dst, c.IDs.Root[:])
		dst = append(dst, '}')
	}
	return append(dst, "}}"...)
}

// MaxCommitBytes is far above the length of any commit line.
const MaxCommitBytes = 512

// ParseCommit parses a commit line. It accepts only the bytes that [AppendCommit] would
// write for what it returns.
func ParseCommit(line []byte) (c Commit, err error) {
	if len(line) > MaxCommitBytes {
		return c, fmt.Errorf("commit line has %d bytes, more than %d", len(line), MaxCommitBytes)
	}
	var in struct {
		Commit struct {
			Number uint64 `json:"number"`
			Time   string `json:"time"`
			IDs    *struct {
				Count uint64 `json:"count"`
				Root  []byte `json:"root"`
			} `json:"ids"`
		} `json:"commit"`
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return c, fmt.Errorf("commit line: %w", err)
	}
	if c.Number = in.Commit.Number; c.Number == 0 || c.Number > MaxIndex {
		return c, fmt.Errorf("commit line: number %d", c.Number)
	}
	if c.Time, err = time.Parse(TimeLayout, in.Commit.Time); err != nil {
		return c, fmt.Errorf("commit line: time: %w", err)
	}
	if ids := in.Commit.IDs; ids != nil {
		if len(ids.Root) != len(merkle.Hash{}) || ids.Count > MaxIndex {
			return c, errors.New("commit line: ids is malformed")
		}
		c.IDs = &IDs{Count: ids.Count, Root: merkle.Hash(ids.Root)}
	}
	if !bytes.Equal(AppendCommit(nil, c), line) {
		return c, errors.New("commit line is not in the form this format demands (members and their order, spacing, base64 or trailing bytes)")
	}
	return c, nil
}
