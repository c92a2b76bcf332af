// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package sidefile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/compactrange"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// PrunedRange is a line of the file [PrunedRangesName]: the subtrees of the leaves from the size on the
// line before, 0 before the first, up to a checkpoint's size (see [compactrange.Subtrees]).
type PrunedRange struct {
	Size     uint64
	Subtrees []merkle.Hash
}

const prunedRangeStart = `{"size":`

// AppendPrunedRange appends the line, without LF.
func AppendPrunedRange(dst []byte, r PrunedRange) []byte {
	dst = append(dst, prunedRangeStart...)
	dst = strconv.AppendUint(dst, r.Size, 10)
	dst = append(dst, `,"subtrees":[`...)
	for i, hash := range r.Subtrees {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jcs.AppendBase64(dst, hash[:])
	}
	return append(dst, "]}"...)
}

// Extend adds the range to the tree that those on the lines before it make, which stays as it
// is if there is an error.
func (r PrunedRange) Extend(tree *merkle.Frontier) error {
	if r.Size <= tree.Size() {
		return fmt.Errorf("its size, %d, is not above the one before", r.Size)
	}
	return compactrange.Extend(tree, r.Size, r.Subtrees)
}

// MaxPrunedRangeBytes bounds a line of that file, without its LF. It is far above the line
// of 128 subtrees.
const MaxPrunedRangeBytes = 8 << 10

// ParsePrunedRange parses a line. It accepts only the bytes that [AppendPrunedRange]
// would write for what it returns.
func ParsePrunedRange(line []byte) (r PrunedRange, err error) {
	if len(line) > MaxPrunedRangeBytes {
		return r, fmt.Errorf("pruned range line has %d bytes, more than %d", len(line), MaxPrunedRangeBytes)
	}
	var in struct {
		Size     uint64   `json:"size"`
		Subtrees [][]byte `json:"subtrees"`
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return r, fmt.Errorf("pruned range line: %w", err)
	}
	if in.Size > segline.MaxIndex {
		return r, fmt.Errorf("pruned range line has size %d, above %d", in.Size, uint64(segline.MaxIndex))
	}
	r.Size = in.Size
	for _, b := range in.Subtrees {
		if len(b) != len(merkle.Hash{}) {
			return r, fmt.Errorf("pruned range line has a hash of %d bytes", len(b))
		}
		r.Subtrees = append(r.Subtrees, merkle.Hash(b))
	}
	if !bytes.Equal(AppendPrunedRange(nil, r), line) {
		return r, fmt.Errorf("pruned range line is not in the form this format demands")
	}
	return r, nil
}
