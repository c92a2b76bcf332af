// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package cosigning

import (
	"context"
	"time"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Witness cosigns checkpoints; client.Client is one, over HTTP.
type Witness interface {
	// Name tells the witness from the others.
	Name() string
	// AddCheckpoint asks the witness to cosign a checkpoint that extends the tree of
	// old leaves, by a consistency proof. The error wraps a [Conflict] if the
	// witness is not at that tree, [ErrInconsistent] if it refuses the proof.
	// It must return soon when its context ends.
	AddCheckpoint(ctx context.Context, old uint64, proof []merkle.Hash, checkpoint []byte) (witness.Cosignature, error)
}

// Reply is what became of asking a witness.
type Reply struct {
	Witness string
	// Size is the number of leaves of the newest tree that the witness has cosigned
	// since the log was opened.
	Size uint64
	// Outcome says in a word what happened, Err why it was not cosigned.
	Outcome Outcome
	Err     error
	// Duration is how long it took, reading the log for a proof included.
	Duration time.Duration
}

// Outcome says, in one word fit for a metric, what became of asking a witness.
type Outcome string

// The outcomes.
const (
	// OutcomeCosigned: the witness has cosigned the checkpoint.
	OutcomeCosigned Outcome = "cosigned"
	// OutcomeContradicted: the witness has cosigned another history of the log.
	OutcomeContradicted Outcome = "contradicted"
	// OutcomeFailed: anything else. It will be tried again.
	OutcomeFailed Outcome = "failed"
)
