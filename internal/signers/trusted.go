// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signers

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

// Errors about what the caller trusts. Packages verify and proof export them.
var (
	ErrWrongKey    = errors.New("the log is not signed with any of the keys given")
	ErrWrongOrigin = errors.New("the log has another origin")
	ErrNoEventKey  = errors.New("of the keys given none may sign events, which alone shows whose log it is: give the public key of the log, too")
)

// Trusted is what the caller trusts.
type Trusted struct {
	// Keys sign events, CheckpointKeys checkpoints next to one of them.
	Keys, CheckpointKeys []*signing.PublicKey
	// Bounds are more trusted keys, with what they are for and what bounds them.
	Bounds trust.Keys
	// AsOf is the size as of which the log is looked at; nil if it is the present one.
	AsOf *uint64
	// Origin is the origin that the log must have; "" for any.
	Origin string
}

// Events returns the keys that are trusted to sign events.
func (t *Trusted) Events() []*signing.PublicKey { return t.keysFor(t.Keys, trust.UseEvents) }

// Checkpoints returns the keys that are trusted to sign checkpoints next to others. They
// never make a log trusted.
func (t *Trusted) Checkpoints() []*signing.PublicKey {
	return t.keysFor(t.CheckpointKeys, trust.UseCheckpoints)
}

func (t *Trusted) keysFor(listed []*signing.PublicKey, use trust.Use) []*signing.PublicKey {
	keys := slices.Clone(listed)
	for _, k := range t.Bounds {
		if k.Public != nil && k.For(use) {
			keys = append(keys, k.Public)
		}
	}
	return Once(keys)
}

// Check says what is wrong with what the caller trusts.
func (t *Trusted) Check() error {
	for _, k := range t.Keys {
		if listed := Find(t.Bounds, k); listed != nil && !listed.For(trust.UseEvents) {
			return fmt.Errorf("the key %s is given for events, but listed among the trusted keys for %s only", k.ID(), listed.Use)
		}
	}
	for _, k := range t.CheckpointKeys {
		if listed := Find(t.Bounds, k); listed != nil && !listed.For(trust.UseEvents|trust.UseCheckpoints) {
			return fmt.Errorf("the key %s is given for checkpoints, but listed among the trusted keys for %s only", k.ID(), listed.Use)
		}
	}
	logs := func(k trust.Key) bool { return k.Public != nil }
	if len(t.Events()) == 0 && (len(t.CheckpointKeys) > 0 || slices.ContainsFunc(t.Bounds, logs)) {
		return ErrNoEventKey
	}
	if t.AsOf != nil && *t.AsOf == 0 {
		return errors.New("a log as of no leaf shows nothing: give its size, at least 1")
	}
	return nil
}

// CheckOrigin says so if a log is not the one that the caller asks for.
func (t *Trusted) CheckOrigin(origin string) error {
	if t.Origin != "" && origin != t.Origin {
		return fmt.Errorf("%w: it is %q, not %q", ErrWrongOrigin, origin, t.Origin)
	}
	return nil
}

// ObjectionToChange says why a key change may not introduce the key that it names, or "". What
// a key introduced that has fallen into other hands may be theirs, whenever that was.
func (t *Trusted) ObjectionToChange(n *signing.KeyChange, at time.Time) string {
	from, to := Find(t.Bounds, n.From), Find(t.Bounds, n.To)
	// It is signed over the tree before the segment, and so at that tree's last leaf.
	_, why := Objection(from, max(n.Index, 1)-1, at)
	switch {
	case why != "":
		return why
	case to != nil && !to.For(trust.UseEvents):
		return fmt.Sprintf("the key %s is listed for %s only", to.Name(), to.Use)
	case from != nil && from.Revoked != nil && to == nil && !slices.ContainsFunc(t.Keys, n.To.Equal):
		return fmt.Sprintf("the key %s is revoked, so that what it introduced counts only if it is listed itself: list the key %s if it is the log's own", from.Name(), n.To.ID())
	default:
		return ""
	}
}

// Evidence says why a checkpoint kept elsewhere is no evidence against a log that does not
// have it, or nil. It is evidence only if a key has signed it that the caller trusts.
func (t *Trusted) Evidence(note []byte) error {
	c, err := signing.ParseCheckpoint(note)
	if err != nil {
		return err
	}
	keys := Once(slices.Concat(t.Events(), t.Checkpoints()))
	_, by, err := signing.OpenCheckpoint(note, c.Origin, keys)
	if err == nil {
		_, err = t.CheckKept(c.Size, by)
	}
	return err
}

// CheckKept says why none of the keys that signed a checkpoint, kept where the log does not
// say when, may have done so, and whether that is because it is revoked. Bounds in time do not
// count: what the log holds up to there is held against them.
func (t *Trusted) CheckKept(size uint64, by []*signing.PublicKey) (revoked bool, err error) {
	for _, k := range by {
		bounds := Find(t.Bounds, k)
		if bounds == nil {
			return false, nil
		}
		lost, why := Objection(ByIndex(bounds), max(size, 1)-1, time.Time{})
		if why == "" {
			return false, nil
		}
		revoked, err = lost, errors.New(why)
	}
	return revoked, err
}

// Once returns the keys without repetitions, which a note verifier would take for a
// contradiction.
func Once(keys []*signing.PublicKey) (each []*signing.PublicKey) {
	for _, k := range keys {
		if !slices.ContainsFunc(each, k.Equal) {
			each = append(each, k)
		}
	}
	return each
}
