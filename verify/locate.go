// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// What a checkpoint does not fit may be a group of many lines. Some changes leave
// all that was signed in place, and can be undone by trying: then the very line is
// known, and so is the tree for what follows.
const (
	// maxLocate bounds the lines of a group in which changes are looked for.
	maxLocate = 2000
	// maxAnySwap bounds the lines of a group in which all pairs are tried.
	maxAnySwap = 64
)

// locate looks for a change that explains why a checkpoint does not fit. It
// returns the tree without that change, and what was found, or nothing.
func (f *follower) locate(size uint64, root merkle.Hash) (merkle.Frontier, []Finding) {
	g := &f.group
	if g.lost || len(g.leaves) < 2 {
		return merkle.Frontier{}, nil
	}
	switch have := g.before.Size() + uint64(len(g.leaves)); {
	case have == size+1:
		return f.locateInserted(root)
	case have == size:
		return f.locateSwapped(root)
	default:
		return merkle.Frontier{}, nil
	}
}

// locateInserted tries to leave out each line.
func (f *follower) locateInserted(root merkle.Hash) (merkle.Frontier, []Finding) {
	leaves := f.group.leaves
	before := f.group.before
	for i := range leaves {
		tree := before
		for _, l := range leaves[i+1:] {
			tree.Append(l.hash)
		}
		if tree.Root() == root {
			// Of two equal lines in a row, the second is the repeated one.
			for i+1 < len(leaves) && leaves[i+1].hash == leaves[i].hash {
				i++
			}
			index := f.group.before.Size() + uint64(i)
			return tree, []Finding{{Kind: LineRepeated, Severity: Tampering, Line: leaves[i].line, Index: &index, EventID: leaves[i].id,
				Message: fmt.Sprintf("the line was inserted, or repeated: without it the signed checkpoint on line %d fits", f.line)}}
		}
		before.Append(leaves[i].hash)
	}
	return merkle.Frontier{}, nil
}

// locateSwapped tries to swap lines: neighbours, and in small groups any two.
func (f *follower) locateSwapped(root merkle.Hash) (merkle.Frontier, []Finding) {
	leaves := f.group.leaves
	reach := 1
	if len(leaves) <= maxAnySwap {
		reach = len(leaves)
	}
	before := f.group.before
	for i := range leaves {
		for j := i + 1; j < len(leaves) && j <= i+reach; j++ {
			tree := before
			tree.Append(leaves[j].hash)
			for k := i + 1; k < len(leaves); k++ {
				if k == j {
					tree.Append(leaves[i].hash)
				} else {
					tree.Append(leaves[k].hash)
				}
			}
			if tree.Root() == root {
				index := f.group.before.Size() + uint64(i)
				return tree, []Finding{{Kind: LinesSwapped, Severity: Tampering, Line: leaves[i].line, LastLine: leaves[j].line, Index: &index, EventID: leaves[i].id,
					Message: fmt.Sprintf("lines %d and %d were swapped: the other way round the signed checkpoint on line %d fits", leaves[i].line, leaves[j].line, f.line)}}
			}
		}
		before.Append(leaves[i].hash)
	}
	return merkle.Frontier{}, nil
}
