// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receiptline

import (
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Commit makes the receipts of the events of a commit, of nothing but the leaves by which
// it has grown the tree, the ids of its events and the frontier before. They have nearly
// everything in common, which is hashed and encoded once. One value is for one goroutine at
// a time; its memory is used again by the next [Commit.Set].
type Commit struct {
	tree, ids grown
	count     uint64 // of ids

	start, end []byte // of every line, up to the origin and from the commit on
}

// Set takes in the tree as it was before, and the hashes of the leaves that came then: the
// segment's header if the commit begins one, its events, and last the commit line. ids are
// those of its events, in order, each hashed as a leaf.
func (c *Commit) Set(before *merkle.Frontier, leaves, ids []merkle.Hash) {
	c.tree.set(before, leaves)
	c.count = uint64(len(ids))
	c.ids.set(new(merkle.Frontier), ids)
}

// Tree returns the tree with the new leaves.
func (c *Commit) Tree() (merkle.Frontier, error) { return c.tree.frontier() }

// IDs returns what the commit line has to say of the ids.
func (c *Commit) IDs() (segline.IDs, error) {
	ids, err := c.ids.frontier()
	return segline.IDs{Count: c.count, Root: ids.Root()}, err
}

// Sign takes in the commit line, without LF, and the signed checkpoint over [Commit.Tree],
// for the receipts to come.
func (c *Commit) Sign(commit, checkpoint []byte) {
	c.tree.encode()
	c.ids.encode()
	c.start = appendStart(c.start[:0], checkpoint)
	c.end = append(appendCommit(c.end[:0], commit), commitPathStart...)
	c.end = appendEnd(c.tree.appendPath(c.end, c.tree.size-1), checkpoint)
}

// Append appends the line, without LF, of the receipt for an event, given its leaf, counted
// from the first of the commit, and its id. The id and its path are left out if it is longer
// than MaxEventID.
func (c *Commit) Append(dst []byte, leaf int, id []byte) []byte {
	index := c.tree.before + uint64(leaf)
	dst = append(dst, c.start...)
	dst = appendMembers(dst, id, index)
	dst = c.tree.appendLeaf(dst, index)
	dst = append(dst, pathStart...)
	dst = c.tree.appendPath(dst, index)
	dst = append(dst, idPathStart...)
	if named(id) {
		dst = c.ids.appendPath(dst, index+1+c.count-c.tree.size)
	}
	return append(dst, c.end...)
}
