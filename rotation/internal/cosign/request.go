// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package cosign

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtree"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// request asks one witness to cosign one checkpoint. It has nothing of the rounds, and the
// log only as files.
type request struct {
	witness cosigning.Witness
	reads   *reads
	to      *Snapshot
	old     uint64 // the size of the tree that the witness has cosigned, as far as is known
	files   fs.FS
	now     func() time.Time
	spacing time.Duration // see reads
}

// send asks for a cosignature, from the tree of old leaves on or, if the witness is
// elsewhere, from there. The witness remembers where it is: so nothing needs to be kept
// here for a restart.
func (q *request) send(ctx context.Context) (witness.Cosignature, error) {
	old, size := q.old, q.to.Tree.Size()
	for again := false; ; again = true {
		proof, err := q.proof(ctx, old)
		if err != nil {
			return witness.Cosignature{}, err
		}
		cosignature, err := q.addCheckpoint(ctx, old, proof)
		var conflict *cosigning.Conflict
		switch {
		case errors.Is(err, cosigning.ErrInconsistent) && old > 0:
			err = &contradiction{witness: q.witness.Name(), reason: forked, size: old, err: err}
		case !errors.As(err, &conflict):
		case conflict.Size > segline.MaxIndex:
			err = fmt.Errorf("the answer makes no sense, since no log has so many leaves: %w", err)
		case conflict.Size > size:
			err = &contradiction{witness: q.witness.Name(), reason: rolledBack, size: conflict.Size, err: err}
		case conflict.Size == old && old == size:
			err = &contradiction{witness: q.witness.Name(), reason: forked, size: old, err: err}
		case !again:
			old = conflict.Size
			continue
		}
		return cosignature, err
	}
}

func (q *request) addCheckpoint(ctx context.Context, old uint64, proof []merkle.Hash) (witness.Cosignature, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return q.witness.AddCheckpoint(ctx, old, proof, q.to.Checkpoint)
}

// proof returns the consistency proof from a tree of old leaves on: one that the log has
// kept, or else from its files, unless they have been read too often.
func (q *request) proof(ctx context.Context, old uint64) ([]merkle.Hash, error) {
	if old == 0 || old == q.to.Tree.Size() {
		return nil, nil
	}
	if p, ok := q.to.Proofs[old]; ok {
		return p, nil
	}
	if next, ok := q.reads.take(q.now(), q.spacing); !ok {
		return nil, fmt.Errorf("the witness names a tree of %d leaves, which is another one again: the log is not read for a proof from there on before %s", old, next.UTC().Format(time.RFC3339))
	}
	return q.readProof(ctx, old)
}

// readProof makes the consistency proof from a witness's tree on from the log's files: after
// a start, or when the witness is not where it was left. The proof has been checked: a
// witness that refuses it has another tree.
func (q *request) readProof(ctx context.Context, old uint64) (p []merkle.Hash, err error) {
	err = logfile.Retry(ctx, func() (err error) { p, err = q.tryReadProof(ctx, old); return err })
	switch {
	case errors.Is(err, logtree.ErrPruned):
		return nil, fmt.Errorf("the witness is at %d leaves, and retention has deleted what a proof from there on takes: have its operator set it to a newer checkpoint of the log: %w", old, err)
	case err != nil:
		return nil, fmt.Errorf("prove to a witness how the log has grown from %d leaves on: %w", old, err)
	}
	return p, nil
}

func (q *request) tryReadProof(ctx context.Context, old uint64) (p []merkle.Hash, err error) {
	tree, err := logtree.Open(ctx, q.files)
	if err != nil {
		return nil, err
	}
	size := q.to.Tree.Size()
	if tree.Size() < size {
		return nil, fmt.Errorf("%w: the segments end at leaf %d, before %d", logdir.ErrDamaged, tree.Size(), size)
	}
	from, err := tree.Root(ctx, old)
	if err != nil {
		return nil, err
	}
	read, err := tlog.ProveTree(int64(size), int64(old), tree.Hashes(ctx))
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckTree(read, int64(size), tlog.Hash(q.to.Tree.Root()), int64(old), from); err != nil {
		return nil, fmt.Errorf("%w: the segments do not lead to the log's own checkpoint", logdir.ErrDamaged)
	}
	return read, nil
}

// maxReads is how often the log is read for a proof that one witness asks for, in as
// many intervals as a failing witness is asked after. A witness that works needs it once,
// after a start; one that names another tree with each answer would have the log read for
// ever.
const maxReads = 2

// reads are when the log was last read for a proof that a witness asked for.
type reads [maxReads]time.Time

// take reports whether the log may be read, and if not, when it may be again.
func (r *reads) take(now time.Time, spacing time.Duration) (next time.Time, ok bool) {
	oldest := &r[0]
	for i := range r {
		if r[i].Before(*oldest) {
			oldest = &r[i]
		}
	}
	if next = oldest.Add(spacing); !oldest.IsZero() && now.Before(next) && now.After(*oldest) {
		return next, false
	}
	*oldest = now
	return next, true
}
