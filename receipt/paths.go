// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receipt

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Paths are the inclusion proofs of the leaves by which a tree has grown, made of them
// and of the frontier before alone. One value is for one goroutine at a time; its memory
// is used again by the next [Paths.Set].
type Paths struct {
	size   uint64
	levels []level
}

// level is the nodes of one height that have come or have a new node beside them: nodes
// number first and those that follow it. first is even, so that each has its sibling.
type level struct {
	first uint64
	nodes []merkle.Hash
}

// Set takes in the tree as it was before, and the hashes of the leaves that came then.
func (p *Paths) Set(before *merkle.Frontier, leaves []merkle.Hash) {
	old := before.Size()
	p.size = old + uint64(len(leaves))
	frontier := before.Hashes()
	for h := 0; p.size>>h > 0; h++ {
		if h == len(p.levels) {
			p.levels = append(p.levels, level{})
		}
		l := &p.levels[h]
		l.first, l.nodes = old>>h, l.nodes[:0]
		if l.first&1 == 1 {
			// The frontier has the one before it, the smallest subtree first from behind.
			l.first--
			l.nodes = append(l.nodes, frontier[len(frontier)-1])
			frontier = frontier[:len(frontier)-1]
		}
		if h == 0 {
			l.nodes = append(l.nodes, leaves...)
			continue
		}
		below := p.levels[h-1].nodes
		for ; len(below) > 1; below = below[2:] {
			l.nodes = append(l.nodes, merkle.NodeHash(below[0], below[1]))
		}
	}
}

// node returns the root of the perfect subtree number n of a height.
func (p *Paths) node(height int, n uint64) (merkle.Hash, bool) {
	l := &p.levels[height]
	if n < l.first || n-l.first >= uint64(len(l.nodes)) {
		return merkle.Hash{}, false
	}
	return l.nodes[n-l.first], true
}

// Tree returns the tree with the new leaves.
func (p *Paths) Tree() (merkle.Frontier, error) {
	var hashes []merkle.Hash
	for h := bits.Len64(p.size) - 1; h >= 0; h-- {
		if n := p.size >> h; n&1 == 1 {
			hash, ok := p.node(h, n-1)
			if !ok { // higher than all that changed
				return merkle.Frontier{}, fmt.Errorf("no node %d of height %d", n-1, h)
			}
			hashes = append(hashes, hash)
		}
	}
	return merkle.NewFrontier(p.size, hashes)
}

// Of returns the inclusion proof (RFC 6962, section 2.1.1) of a new leaf in the new
// tree.
func (p *Paths) Of(index uint64) ([]merkle.Hash, error) {
	proof, err := tlog.ProveRecord(int64(p.size), int64(index), tlog.HashReaderFunc(p.read))
	if err != nil {
		return nil, fmt.Errorf("prove that leaf %d is in the tree of %d leaves: %w", index, p.size, err)
	}
	path := make([]merkle.Hash, len(proof))
	for i, h := range proof {
		path[i] = merkle.Hash(h)
	}
	return path, nil
}

func (p *Paths) read(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		height, n := tlog.SplitStoredHashIndex(at)
		hash, ok := p.node(height, uint64(n))
		if !ok {
			return nil, fmt.Errorf("no node %d of height %d", n, height)
		}
		hashes[i] = tlog.Hash(hash)
	}
	return hashes, nil
}
