// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"fmt"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// claimIn returns the claim in what the log says of itself on a line, or nil.
func (c *checker) claimIn(log []byte) *claim {
	if !ownevent.MayBeOn(log, logevent.Witnessed) {
		return nil
	}
	parsed, err := logevent.Parse(log)
	switch {
	case parsed.Action != logevent.Witnessed:
		return nil
	case err != nil:
		return &claim{bad: err.Error()}
	}
	k := &claim{}
	checkpoint, err := signing.ParseCheckpoint([]byte(parsed.Checkpoint))
	switch {
	case err != nil:
		k.bad = err.Error()
		return k
	case checkpoint.Size != parsed.Size || parsed.Size == 0:
		k.bad = fmt.Sprintf("the checkpoint is over %d leaves, not %d", checkpoint.Size, parsed.Size)
		return k
	}
	k.cosignatures, k.forged, k.refused = c.cosignaturesIn(checkpoint)
	k.proof = parsed.Proof
	checkpoint.Note = nil // it is large, and not needed any more
	k.checkpoint = checkpoint
	return k
}

// cosignaturesIn returns the cosignatures on a checkpoint of the witnesses that were given,
// what is wrong with others that bear their names, and those that a witness's key may not
// have made.
func (c *checker) cosignaturesIn(checkpoint signing.Checkpoint) (good []cosignature, forged []string, refused []refusal) {
	for i, w := range c.o.Witnesses {
		made, err := w.Cosignature(checkpoint.Note)
		switch {
		case errors.Is(err, witness.ErrNoCosignature):
			continue
		case err != nil:
			forged = append(forged, err.Error())
			continue
		}
		kind, why := objection(signers.FindWitness(c.o.Trust, w), max(checkpoint.Size, 1)-1, made.Time)
		if kind != "" {
			refused = append(refused, refusal{i, kind, "a cosignature does not count: " + why})
			continue
		}
		good = append(good, cosignature{witness: i, size: checkpoint.Size, time: made.Time})
	}
	return good, forged, refused
}

// maxClockLag is how far a witness's clock may lag the writer's.
const maxClockLag = 24 * time.Hour

// maxClockLead is how far a clock may be ahead of the verifier's.
const maxClockLead = 5 * time.Minute

// objectionToTime says what is wrong with the time of a cosignature that was made after another
// time.
func (c *checker) objectionToTime(at, after time.Time) (Kind, string) {
	switch {
	case at.After(c.now.Add(maxClockLead)):
		return kindTimeInFuture, fmt.Sprintf("says that it is of %s, which is ahead of the clock here: its time does not count", at.Format(time.RFC3339))
	case at.Before(after):
		return kindTimeWentBack, fmt.Sprintf("says that it is of %s, long before what it covers: its time does not count", at.Format(time.RFC3339))
	default:
		return "", ""
	}
}

// dateCosignature notes whether a cosignature that counts was made by the time from which on the
// log is to be complete. A witness cuts its time to seconds.
func (c *checker) dateCosignature(v *cosignature) {
	if from := c.o.CompleteFrom; from != nil && !from.ByIndex && !v.time.IsZero() && !v.time.Add(time.Second).After(from.Time) {
		v.then = v.size
	}
}
