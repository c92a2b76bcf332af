// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// authorize finds out whose signatures count in each segment, of which all are the heads.
func (c *checker) authorize(files []segment.File, all []*authority) []*authority {
	c.changes = newKeyChanges(c.o.trusted(), c.history, all)
	var before *authority
	for i, a := range all {
		if a.header == nil {
			continue
		}
		c.introduceSegment(before, a, files[i].Parsed.FirstIndex)
		c.trustSigners(a)
		if before == nil || a.standing > standingUntrusted {
			before = a // what a stranger put between leads nowhere
		}
	}
	// A trusted segment covers what came before it.
	var after *authority
	for _, a := range slices.Backward(all) {
		if a.header == nil {
			continue
		}
		if after != nil && a.standing == standingUntrusted && after.sound() && after.wrong == "" &&
			(after.signer().Equal(a.signer()) || c.changes.lead(a.signer(), after.signer(), 0, after.header.FirstIndex)) {
			a.standing = standingSucceeded
			c.trustSigners(a)
		}
		after = a
	}
	// A header that cannot be read leaves the keys of the segments next to it.
	for i, a := range all {
		if a.header != nil {
			continue
		}
		for _, neighbour := range []int{i - 1, i + 1} {
			if neighbour >= 0 && neighbour < len(all) && all[neighbour].header != nil && all[neighbour].sound() {
				a.keys = signers.Once(append(a.keys, all[neighbour].signer()))
				a.log = all[neighbour].log
				a.standing = max(a.standing, all[neighbour].standing)
			}
		}
		if len(a.keys) == 0 {
			a.keys, a.standing = c.keys, standingTrusted
		}
		c.trustSigners(a)
	}
	for _, a := range all {
		a.checkpointKeys = a.keys
		if a.previous != nil {
			a.checkpointKeys = signers.Once(append(slices.Clone(a.keys), a.previous))
		}
	}
	return all
}

// introduceSegment finds out why a segment is to be trusted, given the one before, if any.
func (c *checker) introduceSegment(before, a *authority, first uint64) {
	if c.trusts(a.signer()) {
		a.standing = standingTrusted
	}
	introduce := func() { a.standing = max(a.standing, standingIntroduced) }
	switch {
	case before == nil && first == 0:
	case before == nil:
		// What led here has been pruned with the first segments; the file of key
		// changes has a copy.
		if a.standing == standingUntrusted && slices.ContainsFunc(c.keys, func(k *signing.PublicKey) bool {
			return c.changes.lead(k, a.signer(), 0, first)
		}) {
			introduce()
		}
	case before.signer().Equal(a.signer()):
		if before.standing > standingUntrusted {
			introduce()
		}
	case c.changes.lead(before.signer(), a.signer(), before.header.FirstIndex, first):
		if before.standing > standingUntrusted {
			introduce()
		}
		if n := c.changes.changeAt(first); n != nil && n.To.Equal(a.signer()) {
			a.previous = n.From
		}
	default:
		a.wrong = fmt.Sprintf("the segment is signed with the key %s, the one before with %s, and no key change leads from the one to the other", a.signer().ID(), before.signer().ID())
		if a.change != nil {
			if why := c.o.trusted().ObjectionToChange(a.change, a.header.Created); why != "" {
				a.wrong = "the segment's key was introduced by one that could not do so: " + why
			}
		}
	}
	if a.change != nil {
		if why := a.misfit(a.change, first); why != "" {
			a.wrong = "the key change at its beginning does not fit it: it is for another " + why
		}
	}
}

// trustSigners finds out for the sake of which key a segment counts.
func (c *checker) trustSigners(a *authority) {
	a.trustedSigners, a.otherSigners = nil, nil
	for i, k := range a.keys {
		one := newBoundKey(k, signers.Find(c.o.Trust, k))
		switch {
		case a.standing > standingUntrusted && (a.header == nil || i == 0):
			a.trustedSigners = append(a.trustedSigners, one)
		case one.bounds != nil:
			a.otherSigners = append(a.otherSigners, one)
		}
	}
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
// not trusted, or else anybody could continue the log with a key of their own.
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
