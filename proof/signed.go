// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

// openSigned checks the signatures of a checkpoint. It returns those keys that have signed
// it which are trusted for events, one at least, and those that are for checkpoints only.
func openSigned(note []byte, origin string, keys, checkpointKeys []*signing.PublicKey) (by, others []*signing.PublicKey, err error) {
	c, all, err := signing.OpenCheckpoint(note, origin, signers.Once(slices.Concat(keys, checkpointKeys)))
	if err != nil {
		return nil, nil, err
	}
	for _, k := range all {
		if slices.ContainsFunc(keys, k.Equal) {
			by = append(by, k)
		} else {
			others = append(others, k)
		}
	}
	if len(by) == 0 {
		return nil, nil, fmt.Errorf("checkpoint over %d leaves: %w for events", c.Size, signing.ErrNoTrustedSignature)
	}
	return by, others, nil
}

// checkSigners says what is wrong with who has signed a checkpoint, all of which may have done
// so, at some time: whether keys that sign next to others are missing, and whether somebody
// stands for it who has not lost a key since. left says that a key had left by then.
func checkSigners(t *signers.Trusted, size uint64, by, others []*signing.PublicKey, at time.Time, left func(*signing.PublicKey) bool) error {
	if t.AsOf != nil && size > *t.AsOf {
		return fmt.Errorf("its checkpoint covers %d leaves, so that it has not been there since the log had %d", size, *t.AsOf)
	}
	for _, k := range t.Checkpoints() {
		if slices.ContainsFunc(others, k.Equal) || slices.ContainsFunc(by, k.Equal) || left(k) {
			continue
		}
		bounds := signers.Find(t.Bounds, k)
		begun := bounds != nil && bounds.From != nil && signers.Reached(bounds.From, size-1, at)
		switch {
		case bounds != nil && (bounds.From != nil && !begun || bounds.Until != nil && signers.Reached(bounds.Until, size-1, at) || bounds.Revoked != nil && signers.Reached(bounds.Revoked, size-1, at)):
		case begun:
			return fmt.Errorf("%w: the checkpoint over %d leaves lacks the signature of the key %s, which is known to sign from %s on", ErrFails, size, k.ID(), bounds.From)
		default:
			return fmt.Errorf("%w: %s, over %d leaves", errNoCheckpointKey, k.ID(), size)
		}
	}
	lost := func(k *signing.PublicKey) bool { b := signers.Find(t.Bounds, k); return b != nil && b.Revoked != nil }
	if t.AsOf == nil && !slices.ContainsFunc(slices.Concat(by, others), func(k *signing.PublicKey) bool { return !lost(k) }) {
		return ErrRevokedAlone
	}
	return nil
}

// permitted returns those keys that may have signed the leaves from one to another, at a
// time that is zero if it is not known. The error says why none may.
func permitted(known trust.Keys, keys []*signing.PublicKey, from, to uint64, at time.Time) (good []*signing.PublicKey, err error) {
	for _, k := range keys {
		bounds := signers.Find(known, k)
		_, why := signers.Objection(bounds, from, at)
		if why == "" {
			_, why = signers.Objection(bounds, to, at)
		}
		if why == "" {
			good = append(good, k)
		} else {
			err = errors.New(why)
		}
	}
	if len(good) > 0 {
		err = nil
	}
	return good, err
}
