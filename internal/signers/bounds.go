// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signers

import (
	"fmt"
	"time"

	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Find returns what is known of a log's key, or nil.
func Find(known trust.Keys, public *signing.PublicKey) *trust.Key {
	for i := range known {
		if k := &known[i]; k.Public != nil && k.Public.Equal(public) {
			return k
		}
	}
	return nil
}

// FindWitness returns what is known of a witness's key, or nil.
func FindWitness(known trust.Keys, w *witness.Key) *trust.Key {
	for i := range known {
		if k := &known[i]; k.Witness != nil && k.Witness.SamePublicKey(w) {
			return k
		}
	}
	return nil
}

// LeastSize returns how many leaves a log must have for what is known of its keys to be true,
// and the key that says so; it is nil if none does. A key that is valid from a leaf on has
// signed that leaf; one that was revoked or left at a leaf has seen the log get there.
func LeastSize(known trust.Keys) (size uint64, by *trust.Key) {
	for i := range known {
		if n := leastSize(&known[i]); n > size {
			size, by = n, &known[i]
		}
	}
	return size, by
}

func leastSize(k *trust.Key) (size uint64) {
	if !k.For(trust.UseEvents | trust.UseCheckpoints) {
		return 0
	}
	if k.From != nil && k.From.ByIndex {
		size = k.From.Index + 1
	}
	for _, p := range []*trust.Point{k.Until, k.Revoked} {
		if p != nil && p.ByIndex {
			size = max(size, p.Index)
		}
	}
	return size
}

// ByIndex returns a key with the bounds alone that are indices.
func ByIndex(k *trust.Key) *trust.Key {
	b := *k
	for _, p := range []**trust.Point{&b.From, &b.Until, &b.Revoked} {
		if *p != nil && !(*p).ByIndex {
			*p = nil
		}
	}
	return &b
}

// Reached reports whether a leaf lies at or after a point. A zero time is one that is not
// known: the leaf may lie after any time, and so it does.
func Reached(p *trust.Point, index uint64, at time.Time) bool {
	if p.ByIndex {
		return index >= p.Index
	}
	return at.IsZero() || !at.Before(p.Time)
}

// Objection says why a key with some bounds, which may be nil, may not have signed a leaf, or
// "", and whether that is because the key was revoked by then.
func Objection(bounds *trust.Key, index uint64, at time.Time) (revoked bool, why string) {
	switch k := bounds; {
	case k == nil:
		return false, ""
	case k.Revoked != nil && Reached(k.Revoked, index, at):
		because := ""
		if k.Reason != "" {
			because = " (" + k.Reason + ")"
		}
		return true, fmt.Sprintf("the key %s is revoked from %s on%s", k.Name(), k.Revoked, because)
	case k.From != nil && !Reached(k.From, index, at):
		return false, fmt.Sprintf("the key %s is valid from %s on only", k.Name(), k.From)
	case k.Until != nil && Reached(k.Until, index, at):
		return false, fmt.Sprintf("the key %s is valid up to %s only", k.Name(), k.Until)
	default:
		return false, ""
	}
}
