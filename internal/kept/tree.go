// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package kept

import (
	"sync/atomic"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Relation is how a log stands to a tree.
type Relation uint8

const (
	// NotIntact: the log is not intact up to there, so that nothing shows.
	NotIntact Relation = iota
	// Extends: the log extends the tree.
	Extends
	// Diverges: the log has another history.
	Diverges
	// Deleted: retention has deleted the leaves, and nothing that is left shows.
	Deleted
)

// Tree is a tree that a log is compared with: the Size and the Root of its checkpoint. The one
// that reads the log tells it, from any goroutine, which roots the log has at that size.
type Tree struct {
	signing.Checkpoint

	same, other, deleted atomic.Bool
}

// Compare notes that the log has a tree of this one's size, with a root.
func (t *Tree) Compare(root merkle.Hash) {
	if root == merkle.Hash(t.Root) {
		t.same.Store(true)
	} else {
		t.other.Store(true)
	}
}

// MarkDeleted notes that retention has deleted the leaves, and that what it has kept of them
// has no tree of this size.
func (t *Tree) MarkDeleted() { t.deleted.Store(true) }

// Same and Other report whether the log has this tree, and another one of its size. It may say
// both.
func (t *Tree) Same() bool { return t.same.Load() }

// Other is documented at [Tree.Same].
func (t *Tree) Other() bool { return t.other.Load() }

// IsDeleted reports what [Tree.MarkDeleted] noted.
func (t *Tree) IsDeleted() bool { return t.deleted.Load() }

// Relation returns how the log stands to the tree, once it has been read.
func (t *Tree) Relation() Relation {
	switch {
	case t.Same() && !t.Other():
		return Extends
	case t.IsDeleted():
		return Deleted
	case t.Other():
		return Diverges
	default:
		return NotIntact
	}
}
