// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"fmt"
	"time"

	"github.com/otel-auditlog/auditlogexporter/witness"
)

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
func outcome(err error) witness.Outcome {
	var c *contradiction
	switch {
	case err == nil:
		return witness.OutcomeCosigned
	case errors.As(err, &c):
		return witness.OutcomeContradicted
	default:
		return witness.OutcomeFailed
	}
}
