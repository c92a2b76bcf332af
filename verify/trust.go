// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

// trusted returns the keys that the caller trusts to sign events.
func (o *Options) trusted() []*signing.PublicKey { return o.keysFor(o.Keys, trust.UseEvents) }

// trustedForCheckpoints returns the keys that the caller trusts to sign checkpoints next to
// others. They never make a log trusted.
func (o *Options) trustedForCheckpoints() []*signing.PublicKey {
	return o.keysFor(o.CheckpointKeys, trust.UseCheckpoints)
}

func (o *Options) keysFor(given []*signing.PublicKey, use trust.Use) []*signing.PublicKey {
	keys := slices.Clone(given)
	for _, k := range o.Trust {
		if k.Public != nil && k.For(use) {
			keys = append(keys, k.Public)
		}
	}
	return once(keys)
}

// ErrNoEventKey: keys are given, but none to check events with.
var ErrNoEventKey = errors.New("of the keys given none may sign events, which alone shows whose log it is: give the public key of the log, too")

// checkKeys says what is wrong with what the caller trusts.
func (o *Options) checkKeys() error {
	for _, k := range o.Keys {
		if listed := o.Trust.Find(k); listed != nil && !listed.For(trust.UseEvents) {
			return fmt.Errorf("the key %s is given for events, but listed among the trusted keys for %s only", k.ID(), listed.Uses())
		}
	}
	for _, k := range o.CheckpointKeys {
		if listed := o.Trust.Find(k); listed != nil && !listed.For(trust.UseEvents|trust.UseCheckpoints) {
			return fmt.Errorf("the key %s is given for checkpoints, but listed among the trusted keys for %s only", k.ID(), listed.Uses())
		}
	}
	logs := func(k trust.Key) bool { return k.Public != nil }
	if len(o.trusted()) == 0 && (len(o.CheckpointKeys) > 0 || slices.ContainsFunc(o.Trust, logs)) {
		return ErrNoEventKey
	}
	if o.AsOf != nil && *o.AsOf == 0 {
		return errors.New("a log as of no leaf shows nothing: give its size, at least 1")
	}
	return nil
}

// checkOrigin says so if a log is not the one that the caller asks for.
func (o *Options) checkOrigin(origin string) error {
	if o.Origin != "" && origin != o.Origin {
		return fmt.Errorf("%w: it is %q, not %q", ErrWrongOrigin, origin, o.Origin)
	}
	return nil
}

// rightOrigin checks that it is the log that was asked for: some segment is, of those that count
// if any does. That all are of one log is checked later, so that nobody keeps a log from being
// checked by putting a segment of another one next to its own.
func (c *checker) rightOrigin(authorities []*authority) (err error) {
	for _, counts := range []bool{true, false} {
		for _, a := range authorities {
			if a.header == nil || counts && a.standing == untrusted {
				continue
			}
			if err = c.o.checkOrigin(a.header.Origin); err == nil {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// objection says why a key change may not introduce the key that it names, or "". What a
// key introduced that has fallen into other hands may be theirs, whenever that was.
func (o *Options) objection(n *signing.KeyChange, at time.Time) string {
	from, to := o.Trust.Find(n.From), o.Trust.Find(n.To)
	// It is signed over the tree before the segment, and so at that tree's last leaf.
	_, why := objection(from, max(n.Index, 1)-1, at)
	switch {
	case why != "":
		return why
	case to != nil && !to.For(trust.UseEvents):
		return fmt.Sprintf("the key %s is listed for %s only", to.Name(), to.Uses())
	case from != nil && from.Revoked != nil && to == nil && !slices.ContainsFunc(o.Keys, n.To.Equal):
		return fmt.Sprintf("the key %s is revoked, so that what it introduced counts only if it is listed itself: list the key %s if it is the log's own", from.Name(), n.To.ID())
	default:
		return ""
	}
}

// once returns the keys without repetitions, which a note verifier would take for a
// contradiction.
func once(keys []*signing.PublicKey) (each []*signing.PublicKey) {
	for _, k := range keys {
		if !slices.ContainsFunc(each, k.Equal) {
			each = append(each, k)
		}
	}
	return each
}

// namedKeys returns the key that the log names for its events, for a log that attests
// itself: that of the first header that can be read. Whatever a later header names is
// not believed, or else anybody could continue the log with a key of their own.
func (c *checker) namedKeys(files []segment.File) (keys []*signing.PublicKey) {
	for _, f := range files {
		if h := c.header(f); h != nil {
			if p, err := signing.ParsePublicKeyDER(h.Keys[0].PublicKey); err == nil {
				return []*signing.PublicKey{p}
			}
			return nil
		}
	}
	return nil
}

// header returns a segment's header if it has a valid one. What else there is will
// be found, and reported, when the segment is read.
func (c *checker) header(f segment.File) *segment.Header {
	r, err := segment.OpenForeign(c.fsys, f.Name, f.Size)
	if err != nil {
		return nil
	}
	defer r.Close()
	line, err := r.NextHeader()
	if err != nil {
		return nil
	}
	h, err := segment.ParseHeader(line)
	if err != nil && !errors.Is(err, segment.ErrNewer) {
		return nil
	}
	return &h
}

// rightKey tells a log that is signed with other keys from one that has been
// tampered with: the error wraps [ErrWrongKey].
func (c *checker) rightKey(all []*authority) error {
	var named []string
	hint := ""
	for _, a := range all {
		switch {
		case a.header == nil:
			continue
		case a.standing > untrusted:
			return nil
		case !slices.Contains(named, a.signer().ID()) && len(named) < 10:
			named = append(named, a.signer().ID())
		}
		if i := slices.IndexFunc(a.keys[1:], c.trusts); i >= 0 {
			hint = fmt.Sprintf("; %s, which is given for events, signs its checkpoints only", a.keys[1+i].ID())
		}
	}
	leads := func(k *signing.PublicKey) bool { return len(c.changes.from[string(k.SPKI())]) > 0 }
	if len(named) == 0 || slices.ContainsFunc(c.keys, leads) {
		return nil // key changes lead from a key given to others: it is theirs that are missing
	}
	return fmt.Errorf("%w: its segments name the keys %q for events%s", ErrWrongKey, named, hint)
}
