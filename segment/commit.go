// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
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
	// IDs, there if the segment has the feature "ids", is the Count of the commit's event
	// lines, and the Root hash (RFC 6962, section 2.1) of the tree whose leaves are their ids.
	// These events are the leaves directly before the commit line.
	IDs *segline.IDs
}

// ParseCommit parses a commit line. It accepts only the one form that docs/format.md,
// section 3.3, has for what it returns.
func ParseCommit(line []byte) (c Commit, err error) {
	if len(line) > segline.MaxCommitBytes {
		return c, fmt.Errorf("commit line has %d bytes, more than %d", len(line), segline.MaxCommitBytes)
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
	if c.Number = in.Commit.Number; c.Number == 0 || c.Number > segline.MaxIndex {
		return c, fmt.Errorf("commit line: number %d", c.Number)
	}
	if c.Time, err = time.Parse(timestamp.Layout, in.Commit.Time); err != nil {
		return c, fmt.Errorf("commit line: time: %w", err)
	}
	if ids := in.Commit.IDs; ids != nil {
		if len(ids.Root) != len(merkle.Hash{}) || ids.Count > segline.MaxIndex {
			return c, errors.New("commit line: ids is malformed")
		}
		c.IDs = &segline.IDs{Count: ids.Count, Root: merkle.Hash(ids.Root)}
	}
	if !bytes.Equal(segline.AppendCommit(nil, c.Number, c.Time, c.IDs), line) {
		return c, errors.New("commit line is not in the form this format demands (members and their order, spacing, base64 or trailing bytes)")
	}
	return c, nil
}
