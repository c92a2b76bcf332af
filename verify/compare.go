// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"io/fs"

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

// Compare says how the log in the root of fsys stands to trees, of which only the origin, the
// size and the root count: who has signed them is not asked. The options are those of [Log]; of
// what was kept elsewhere they say nothing here.
func Compare(ctx context.Context, fsys fs.FS, o Options, trees []signing.Checkpoint) ([]Relation, error) {
	o.Checkpoints, o.Receipts, o.AsOf, o.RequireCheckpoint = nil, nil, nil, false
	for _, t := range trees {
		o.others = append(o.others, &keptCheckpoint{Checkpoint: t, name: "another log of the origin", opened: true})
	}
	if _, err := Log(ctx, fsys, o); err != nil {
		return nil, err
	}
	all := make([]Relation, len(trees))
	for i, k := range o.others {
		switch same, other := k.same.Load(), k.other.Load(); {
		case same && !other:
			all[i] = Extends
		case k.unknown:
			all[i] = Deleted
		case other:
			all[i] = Diverges
		}
	}
	return all, nil
}
