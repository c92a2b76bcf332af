// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package cosign

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/logevent"
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
func outcome(err error) cosigning.Outcome {
	var c *contradiction
	switch {
	case err == nil:
		return cosigning.OutcomeCosigned
	case errors.As(err, &c):
		return cosigning.OutcomeContradicted
	default:
		return cosigning.OutcomeFailed
	}
}

const (
	// maxContradictions is how many contradictions of one witness the log tells of in a
	// contradictionPeriod. The others are counted.
	maxContradictions   = 8
	contradictionPeriod = 24 * time.Hour
)

// contradictions is what the log has told of a witness that contradicts it. A witness may
// go on with that for ever, with something else each time, and agree in between: what it
// makes the log write must be bounded.
type contradictions struct {
	since time.Time // when the first of these was told
	told  []contradicted
	// untold counts those that were not, since then; last is the last of them.
	untold int
	last   *contradiction
}

// contradicted is what tells one contradiction of a witness from another.
type contradicted struct {
	reason string
	size   uint64
}

// take reports whether the log is to tell of a contradiction.
func (s *contradictions) take(c *contradiction, now time.Time) bool {
	key := contradicted{c.reason, c.size}
	if slices.Contains(s.told, key) || len(s.told) == maxContradictions {
		s.untold, s.last = s.untold+1, c
		return false
	}
	if len(s.told) == 0 {
		s.since = now
	}
	s.told = append(s.told, key)
	return true
}

// sayContradicted has the log tell of a contradiction, unless it has told enough of them.
func (r *rounds) sayContradicted(c *cosigner, other *contradiction) {
	if !c.contradictions.take(other, r.opts.Now()) {
		return
	}
	r.opts.Logger.Error("A witness contradicts the audit log", zap.String("witness", c.Name()), zap.String("reason", other.reason), zap.Uint64("witnessed_size", other.size), zap.Error(other))
	r.say(logevent.Event{
		Action: logevent.Contradicted, Detail: other.Error(), Reason: other.reason, Size: other.size, Witness: c.Name(),
	})
}

// countContradictions has the log tell how many contradictions it has not told of, once
// the period is over, or for good, and what it could not tell before.
func (r *rounds) countContradictions(forGood bool) {
	var counts []logevent.Event
	for _, c := range r.all {
		s := &c.contradictions
		if len(s.told) == 0 || !forGood && r.opts.Now().Sub(s.since) < contradictionPeriod {
			continue
		}
		if s.untold > 0 {
			counts = append(counts, logevent.Event{
				Action: logevent.Contradicted, Reason: s.last.reason, Size: s.last.size, Witness: c.Name(),
				Detail: fmt.Sprintf("since %s it has contradicted the log %d more times, the last time so: %s", s.since.UTC().Format(time.RFC3339), s.untold, s.last.Error()),
			})
		}
		*s = contradictions{}
	}
	r.say(counts...)
}
