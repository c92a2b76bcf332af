// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Witness cosigns checkpoints; client.Client is one, over HTTP.
type Witness interface {
	// Name tells the witness from the others.
	Name() string
	// AddCheckpoint asks the witness to cosign a checkpoint that extends the tree of
	// old leaves, by a consistency proof. The error wraps a [witness.Conflict] if the
	// witness is not at that tree, [witness.ErrInconsistent] if it refuses the proof.
	// It must return soon when its context ends.
	AddCheckpoint(ctx context.Context, old uint64, proof []merkle.Hash, checkpoint []byte) (witness.Cosignature, error)
}

const (
	// defaultWitnessInterval is Options.WitnessInterval if none is given.
	defaultWitnessInterval = 10 * time.Second
	// maxWitnesses keeps a cosigned checkpoint below the 100 signatures that readers
	// of notes take.
	maxWitnesses = 32
	// requestTimeout bounds one request to a witness.
	requestTimeout = 5 * time.Second
	// closeTimeout bounds the last attempt when the log is closed.
	closeTimeout = 2 * time.Second
	// maxBackoff is the most by which requests to a witness that fails are spaced out,
	// in intervals.
	maxBackoff = 32
	// lateAfter is how many intervals may pass without a quorum.
	lateAfter = 3
)

// completeWitnesses checks the options that concern witnesses and fills in what may be
// left out.
func (o *Options) completeWitnesses() error {
	if len(o.Witnesses) > maxWitnesses {
		return fmt.Errorf("open the audit log: %d witnesses are more than %d", len(o.Witnesses), maxWitnesses)
	}
	names := map[string]bool{}
	for _, w := range o.Witnesses {
		if names[w.Name()] {
			return fmt.Errorf("open the audit log: two witnesses are called %q", w.Name())
		}
		names[w.Name()] = true
	}
	if o.WitnessQuorum < 0 || o.WitnessQuorum > len(o.Witnesses) {
		return fmt.Errorf("open the audit log: a quorum of %d of %d witnesses", o.WitnessQuorum, len(o.Witnesses))
	}
	if o.WitnessQuorum == 0 {
		o.WitnessQuorum = len(o.Witnesses)
	}
	if o.WitnessInterval < 0 {
		return errors.New("open the audit log: the interval at which witnesses are asked is negative")
	}
	if o.WitnessInterval == 0 {
		o.WitnessInterval = defaultWitnessInterval
	}
	return nil
}

// WitnessReply is what became of asking a witness.
type WitnessReply struct {
	Witness string
	// Size is the number of leaves of the newest tree that the witness has cosigned
	// since the log was opened.
	Size uint64
	// Outcome says in a word what happened, Err why it was not cosigned.
	Outcome WitnessOutcome
	Err     error
	// Duration is how long it took, reading the log for a proof included.
	Duration time.Duration
}

// WitnessOutcome says, in one word fit for a metric, what became of asking a witness.
type WitnessOutcome string

// The outcomes.
const (
	// WitnessCosigned: the witness has cosigned the checkpoint.
	WitnessCosigned WitnessOutcome = "cosigned"
	// WitnessContradicted: the witness has cosigned another history of the log.
	WitnessContradicted WitnessOutcome = "contradicted"
	// WitnessFailed: anything else. It will be tried again.
	WitnessFailed WitnessOutcome = "failed"
)

// contradiction is the error of a witness that has cosigned what this log does not
// extend.
type contradiction struct {
	witness string
	// reason is rolled_back or forked, size that of the tree the witness has cosigned.
	reason string
	size   uint64
	err    error
}

const (
	rolledBack = "rolled_back"
	forked     = "forked"
)

func (c *contradiction) Error() string {
	what := "another history of it: it has been forked, or rewritten"
	if c.reason == rolledBack {
		what = "a later state of it: it has been rolled back, or is a copy"
	}
	return fmt.Sprintf("the witness %s has cosigned a tree of %d leaves that is not in this log, but %s. Stop the collector, keep the directory as evidence, and compare it with other copies (%v)", c.witness, c.size, what, c.err)
}

func (c *contradiction) Unwrap() error { return c.err }

// outcome gives an error of asking a witness its word.
func outcome(err error) WitnessOutcome {
	var c *contradiction
	switch {
	case err == nil:
		return WitnessCosigned
	case errors.As(err, &c):
		return WitnessContradicted
	default:
		return WitnessFailed
	}
}
