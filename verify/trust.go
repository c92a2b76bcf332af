// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// trusted is what the caller trusts.
func (o *Options) trusted() *signers.Trusted {
	return &signers.Trusted{Keys: o.Keys, CheckpointKeys: o.CheckpointKeys, Bounds: o.Trust, AsOf: o.AsOf, Origin: o.Origin}
}

// rightOrigin checks that it is the log that was asked for: some segment is, of those that count
// if any does. That all are of one log is checked later, so that nobody keeps a log from being
// checked by putting a segment of another one next to its own.
func (c *checker) rightOrigin(authorities []*authority) (err error) {
	for _, counts := range []bool{true, false} {
		for _, a := range authorities {
			if a.header == nil || counts && a.standing == standingUntrusted {
				continue
			}
			if err = c.o.trusted().CheckOrigin(a.header.Origin); err == nil {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// namedKeys returns the key that the log names for its events, for a log that attests
// itself: that of the first header that can be read. Whatever a later header names is
// not believed, or else anybody could continue the log with a key of their own.
func namedKeys(heads []*authority) []*signing.PublicKey {
	for _, a := range heads {
		if a.header != nil {
			return []*signing.PublicKey{a.signer()}
		}
	}
	return nil
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
		case a.standing > standingUntrusted:
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
