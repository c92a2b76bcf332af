// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/proof"
)

// maxReads bounds how often a proof is begun anew because a segment was compressed or
// pruned meanwhile.
const maxReads = 5

// maxProofReads is how often the log is read for a proof that one witness asks for, in as
// many intervals as a failing witness is asked after. A witness that works needs it once,
// after a start; one that names another tree with each answer would have the log read for
// ever.
const maxProofReads = 2

// readProofFor is readProof for a witness, if it has not had the log read too often.
func (l *Log) readProofFor(ctx context.Context, c *cosigner, r *round, old uint64) ([]merkle.Hash, error) {
	now, spacing := l.opts.Now(), maxBackoff*l.opts.WitnessInterval
	oldest := &c.reads[0]
	for i := range c.reads {
		if c.reads[i].Before(*oldest) {
			oldest = &c.reads[i]
		}
	}
	if next := oldest.Add(spacing); !oldest.IsZero() && now.Before(next) && now.After(*oldest) {
		return nil, fmt.Errorf("the witness names a tree of %d leaves, which is another one again: the log is not read for a proof from there on before %s", old, next.UTC().Format(time.RFC3339))
	}
	*oldest = now
	return l.readProof(ctx, r, old)
}

// readProof makes the consistency proof from a witness's tree to a round's from the
// log's files: after a start, or when the witness is not where it was left. It does not
// hold sem. The proof has been checked: a witness that refuses it has another tree.
func (l *Log) readProof(ctx context.Context, r *round, old uint64) (p []merkle.Hash, err error) {
	for range maxReads {
		if p, err = l.tryReadProof(ctx, r, old); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	switch {
	case errors.Is(err, proof.ErrPruned):
		return nil, fmt.Errorf("the witness is at %d leaves, and retention has deleted what a proof from there on takes: have its operator set it to a newer checkpoint of the log: %w", old, err)
	case err != nil:
		return nil, fmt.Errorf("prove to a witness how the log has grown from %d leaves on: %w", old, err)
	}
	return p, nil
}

func (l *Log) tryReadProof(ctx context.Context, r *round, old uint64) (p []merkle.Hash, err error) {
	tree, err := proof.Open(ctx, l.dir)
	if err != nil {
		return nil, err
	}
	if tree.Size() < r.size() {
		return nil, fmt.Errorf("%w: the segments end at leaf %d, before %d", ErrDamaged, tree.Size(), r.size())
	}
	from, err := tree.Root(ctx, old)
	if err != nil {
		return nil, err
	}
	read, err := tlog.ProveTree(int64(r.size()), int64(old), tree.Hashes(ctx))
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckTree(read, int64(r.size()), tlog.Hash(r.tree.Root()), int64(old), from); err != nil {
		return nil, fmt.Errorf("%w: the segments do not lead to the log's own checkpoint: run auditlog verify", ErrDamaged)
	}
	for _, h := range read {
		p = append(p, merkle.Hash(h))
	}
	return p, nil
}
