// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
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
	// maxTried bounds the work for a segment, in leaves added to trees.
	maxTried = 2 * maxLocate * maxLocate
)

// locate looks for a change that explains why a checkpoint does not fit. If it
// finds one, it reports it and takes up the tree without that change.
func (f *follower) locate(size uint64, root merkle.Hash) bool {
	g := &f.group
	if g.lost || len(g.leaves) < 2 {
		return false
	}
	switch g.before.Size() + uint64(len(g.leaves)) {
	case size + 1:
		return f.locateInserted(root)
	case size:
		return f.locateSwapped(root)
	default:
		return false
	}
}

// fits reports whether the leaves after a tree lead to a root, and takes up the
// resulting tree if so.
func (f *follower) fits(tree merkle.Frontier, root merkle.Hash, n int, at func(i int) leaf) bool {
	if f.tried += n; f.tried > maxTried {
		return false
	}
	for i := range n {
		tree.Append(at(i).hash)
	}
	if tree.Root() != root {
		return false
	}
	f.tree = tree
	return true
}

// locateInserted tries to leave out each line.
func (f *follower) locateInserted(root merkle.Hash) bool {
	g := &f.group
	before := g.before
	for i := range g.leaves {
		rest := g.leaves[i+1:]
		if !f.fits(before, root, len(rest), func(k int) leaf { return rest[k] }) {
			before.Append(g.leaves[i].hash)
			continue
		}
		// Of two equal lines in a row, the second is the repeated one.
		for i+1 < len(g.leaves) && g.leaves[i+1].hash == g.leaves[i].hash {
			i++
		}
		f.reject(g.leaves[i])
		if g.leaves[i].bad {
			return true // it has been named
		}
		index := g.before.Size() + uint64(i)
		f.add(newFinding(LineInserted, Tampering, place{line: g.leaves[i].line, index: &index, eventID: g.id(g.leaves[i])},
			"the line was inserted, or repeated: without it the signed checkpoint on line %d fits", f.line))
		return true
	}
	return false
}

// reject counts a pending event as failed.
func (f *follower) reject(l leaf) {
	if !l.counts {
		return
	}
	t := &f.group.counted
	t.pending--
	if l.signed {
		t.pendingSigned--
	}
	t.fail(f.c.perSegment, f.group.id(l))
}

// locateSwapped tries to swap lines: neighbours, and in small groups any two.
func (f *follower) locateSwapped(root merkle.Hash) bool {
	g := &f.group
	reach := 1
	if len(g.leaves) <= maxAnySwap {
		reach = len(g.leaves)
	}
	before := g.before
	for i := range g.leaves {
		for j := i + 1; j < len(g.leaves) && j <= i+reach; j++ {
			swapped := func(k int) leaf {
				switch k += i; k {
				case i:
					return g.leaves[j]
				case j:
					return g.leaves[i]
				default:
					return g.leaves[k]
				}
			}
			if !f.fits(before, root, len(g.leaves)-i, swapped) {
				continue
			}
			index := g.before.Size() + uint64(i)
			f.add(newFinding(LinesSwapped, Tampering, place{line: g.leaves[i].line, lastLine: g.leaves[j].line, index: &index, eventID: g.id(g.leaves[i])},
				"lines %d and %d were swapped: the other way round the signed checkpoint on line %d fits", g.leaves[i].line, g.leaves[j].line, f.line))
			return true
		}
		before.Append(g.leaves[i].hash)
	}
	return false
}
