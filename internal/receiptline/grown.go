// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receiptline

import (
	"encoding/base64"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// grown is a tree that has grown, made of nothing but the leaves that came and the frontier
// before: it gives their inclusion proofs. Its memory is used again by the next set.
type grown struct {
	before, size uint64
	levels       []level

	// upper is the path's part from sharedHeight on, which the leaves below one node
	// share, and upperOf that node's number.
	upper   []byte
	upperOf uint64
}

// level is the nodes of one height that have come or have a new node next to them: nodes
// number first and those that follow it. first is even, so that each has its sibling.
type level struct {
	first uint64
	nodes []merkle.Hash
	texts []text // of nodes, as a path has them
	// rest is the text of the node after the last perfect one, of what leaves there are
	// after that, if some are.
	rest text
	some bool
}

// text is a hash as it stands in a path, with the comma after it.
type text [1 + 44 + 1 + 1]byte

func textOf(h merkle.Hash) (t text) {
	t[0], t[45], t[46] = '"', '"', ','
	base64.StdEncoding.Encode(t[1:45], h[:])
	return t
}

const (
	// sharedHeight is that of the node whose leaves' paths are put together at a time.
	sharedHeight = 4
	// maxKept bounds the leaves whose memory is used again.
	maxKept = 1 << 16
)

// set takes in the tree as it was before, and the hashes of the leaves that came then,
// of which there must be one.
func (g *grown) set(before *merkle.Frontier, leaves []merkle.Hash) {
	g.before = before.Size()
	g.size = g.before + uint64(len(leaves))
	if len(g.levels) > 0 && cap(g.levels[0].nodes) > maxKept {
		g.levels = nil
	}
	frontier := before.Hashes()
	for h := range g.heights() {
		if h == len(g.levels) {
			g.levels = append(g.levels, level{})
		}
		l := &g.levels[h]
		l.first, l.nodes = g.before>>h, l.nodes[:0]
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
		below := g.levels[h-1].nodes
		for ; len(below) > 1; below = below[2:] {
			l.nodes = append(l.nodes, tlog.NodeHash(below[0], below[1]))
		}
	}
}

// heights is how many heights there are perfect subtrees of.
func (g *grown) heights() int { return bits.Len64(g.size) }

// last returns the last perfect subtree of a height, if it is not the left part of one of
// the next height.
func (g *grown) last(height int) (_ merkle.Hash, single bool) {
	if g.size>>height&1 == 0 {
		return merkle.Hash{}, false
	}
	l := &g.levels[height]
	return l.nodes[len(l.nodes)-1], true
}

// frontier returns that of the tree with the new leaves.
func (g *grown) frontier() (merkle.Frontier, error) {
	var hashes []merkle.Hash
	for h := g.heights() - 1; h >= 0; h-- {
		if hash, ok := g.last(h); ok {
			hashes = append(hashes, hash)
		}
	}
	return merkle.NewFrontier(g.size, hashes)
}

// encode makes the texts that paths are put together of.
func (g *grown) encode() {
	g.upper, g.upperOf = g.upper[:0], 0
	var rest merkle.Hash
	some := false
	for h := range g.heights() {
		l := &g.levels[h]
		l.texts = l.texts[:0]
		for _, n := range l.nodes {
			l.texts = append(l.texts, textOf(n))
		}
		if l.some = some; some {
			l.rest = textOf(rest)
		}
		if node, ok := g.last(h); ok && some {
			rest = tlog.NodeHash(node, rest)
		} else if ok {
			rest, some = node, true
		}
	}
}

// appendLeaf appends the text of a leaf's hash.
func (g *grown) appendLeaf(dst []byte, index uint64) []byte {
	self := &g.levels[0].texts[index-g.levels[0].first]
	return append(dst, self[:len(self)-1]...)
}

// appendPath appends the inclusion proof (RFC 6962, section 2.1.1) of a leaf: texts with
// commas between them.
func (g *grown) appendPath(dst []byte, index uint64) []byte {
	from := len(dst)
	dst = g.appendPart(dst, index, 0, sharedHeight)
	if node := index >> sharedHeight; g.upperOf != node+1 {
		g.upper, g.upperOf = g.appendPart(g.upper[:0], index, sharedHeight, g.heights()), node+1
	}
	dst = append(dst, g.upper...)
	if len(dst) > from {
		dst = dst[:len(dst)-1] // the comma
	}
	return dst
}

// appendPart appends what of an inclusion proof is of some heights.
func (g *grown) appendPart(dst []byte, index uint64, from, to int) []byte {
	for h := from; h < min(to, g.heights()); h++ {
		l := &g.levels[h]
		switch beside := index>>h ^ 1; {
		case beside < g.size>>h:
			dst = append(dst, l.texts[beside-l.first][:]...)
		case beside == g.size>>h && l.some:
			dst = append(dst, l.rest[:]...)
		}
	}
	return dst
}
