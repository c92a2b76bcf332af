// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receipt

import (
	"bytes"
	"encoding/base64"
	"math/bits"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Commit makes the receipts of the events of a commit, of nothing but the leaves by which
// it has grown the tree and the frontier before. They have nearly everything in common,
// which is hashed and encoded once. One value is for one goroutine at a time; its memory
// is used again by the next [Commit.Set].
type Commit struct {
	before, size uint64
	levels       []level

	start, end []byte // of every line, up to the origin and from the checkpoint on
	// upper is the path's part from sharedHeight on, which the leaves below one node
	// share, and upperOf that node's number.
	upper   []byte
	upperOf uint64
}

// level is the nodes of one height that have come or have a new node beside them: nodes
// number first and those that follow it. first is even, so that each has its sibling.
type level struct {
	first uint64
	nodes []merkle.Hash
	texts []text // of nodes, as a path has them
	// rest is the text of the node behind the last perfect one, of what leaves there are
	// behind that, if some are.
	rest text
	some bool
}

// text is a hash as it stands in a path, with the comma behind it.
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

// Set takes in the tree as it was before, and the hashes of the leaves that came then,
// of which there must be one.
func (c *Commit) Set(before *merkle.Frontier, leaves []merkle.Hash) {
	c.before = before.Size()
	c.size = c.before + uint64(len(leaves))
	if len(c.levels) > 0 && cap(c.levels[0].nodes) > maxKept {
		c.levels = nil
	}
	frontier := before.Hashes()
	for h := range c.heights() {
		if h == len(c.levels) {
			c.levels = append(c.levels, level{})
		}
		l := &c.levels[h]
		l.first, l.nodes = c.before>>h, l.nodes[:0]
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
		below := c.levels[h-1].nodes
		for ; len(below) > 1; below = below[2:] {
			l.nodes = append(l.nodes, merkle.NodeHash(below[0], below[1]))
		}
	}
}

// heights is how many heights there are perfect subtrees of.
func (c *Commit) heights() int { return bits.Len64(c.size) }

// last returns the last perfect subtree of a height, if it is not the left part of one of
// the next height.
func (c *Commit) last(height int) (_ merkle.Hash, single bool) {
	if c.size>>height&1 == 0 {
		return merkle.Hash{}, false
	}
	l := &c.levels[height]
	return l.nodes[len(l.nodes)-1], true
}

// Tree returns the tree with the new leaves.
func (c *Commit) Tree() (merkle.Frontier, error) {
	var hashes []merkle.Hash
	for h := c.heights() - 1; h >= 0; h-- {
		if hash, ok := c.last(h); ok {
			hashes = append(hashes, hash)
		}
	}
	return merkle.NewFrontier(c.size, hashes)
}

// Sign takes in the signed checkpoint over [Commit.Tree] of the log called origin, for the
// receipts to come.
func (c *Commit) Sign(checkpoint []byte) {
	c.start, c.end = appendStart(c.start[:0], checkpoint), appendEnd(c.end[:0], checkpoint)
	c.upper, c.upperOf = c.upper[:0], 0
	var rest merkle.Hash
	some := false
	for h := range c.heights() {
		l := &c.levels[h]
		l.texts = l.texts[:0]
		for _, n := range l.nodes {
			l.texts = append(l.texts, textOf(n))
		}
		if l.some = some; some {
			l.rest = textOf(rest)
		}
		if node, ok := c.last(h); ok && some {
			rest = merkle.NodeHash(node, rest)
		} else if ok {
			rest, some = node, true
		}
	}
}

// Append appends the line, without LF, of the receipt for a leaf, counted from the first
// of the commit. The id is left out if it is longer than MaxEventID.
func (c *Commit) Append(dst []byte, leaf int, id []byte) []byte {
	index := c.before + uint64(leaf)
	dst = append(dst, c.start...)
	dst = appendMembers(dst, id, index)
	self := &c.levels[0].texts[index-c.levels[0].first]
	dst = append(dst, self[:len(self)-1]...)
	dst = append(dst, pathStart...)
	from := len(dst)
	dst = c.appendPath(dst, index, 0, sharedHeight)
	if node := index >> sharedHeight; c.upperOf != node+1 {
		c.upper, c.upperOf = c.appendPath(c.upper[:0], index, sharedHeight, c.heights()), node+1
	}
	dst = append(dst, c.upper...)
	if len(dst) > from {
		dst = dst[:len(dst)-1] // the comma
	}
	return append(dst, c.end...)
}

// appendPath appends what of the inclusion proof (RFC 6962, section 2.1.1) is of some
// heights.
func (c *Commit) appendPath(dst []byte, index uint64, from, to int) []byte {
	for h := from; h < min(to, c.heights()); h++ {
		l := &c.levels[h]
		switch beside := index>>h ^ 1; {
		case beside < c.size>>h:
			dst = append(dst, l.texts[beside-l.first][:]...)
		case beside == c.size>>h && l.some:
			dst = append(dst, l.rest[:]...)
		}
	}
	return dst
}

const pathStart = `,"path":[`

// appendStart appends how the receipts with a checkpoint begin.
func appendStart(dst, checkpoint []byte) []byte {
	return segment.AppendString(append(dst, lineStart...), originOf(checkpoint))
}

// originOf returns the first line of a checkpoint.
func originOf(checkpoint []byte) []byte {
	origin, _, _ := bytes.Cut(checkpoint, []byte("\n"))
	return origin
}

// appendMembers appends what follows, up to the leaf's hash.
func appendMembers(dst, id []byte, index uint64) []byte {
	if len(id) > 0 && len(id) <= MaxEventID {
		dst = append(dst, `,"event_id":`...)
		dst = segment.AppendString(dst, id)
	}
	dst = append(dst, `,"index":`...)
	dst = strconv.AppendUint(dst, index, 10)
	return append(dst, `,"leaf_hash":`...)
}

// appendEnd appends what follows the hashes of the path.
func appendEnd(dst, checkpoint []byte) []byte {
	dst = segment.AppendString(append(dst, `],"checkpoint":`...), checkpoint)
	return append(dst, '}')
}
