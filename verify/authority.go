// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// standing is why a segment's signatures count.
type standing uint8

const (
	// standingUntrusted: nothing leads from a trusted key to the segment's.
	standingUntrusted standing = iota
	// standingVouched: a trusted key signs the log from a later leaf on, and so all that came
	// before it as a whole; the segment's own key is one that it succeeded.
	standingVouched
	// standingIntroduced: a chain of key changes leads from a trusted key to the segment's.
	standingIntroduced
	// standingGiven: the segment is signed with a key that the caller trusts.
	standingGiven
)

// authority says whose signatures count in a segment. It is not changed once
// segments are being checked.
type authority struct {
	standing standing
	// keys are those that the header names. All of them sign every checkpoint, the
	// first one events, and for its sake alone the segment counts. If the header cannot be
	// read they are those that sign the events of the segments next to it, and any of them
	// will do.
	keys   []*signing.PublicKey
	header *segment.Header
	// newer says that a newer version has written it, and how that shows; nil if none has.
	newer error
	// headerLeaf is its leaf hash, context what it adds to the signatures of events; if it
	// cannot be read, that is of a segment beside it.
	headerLeaf merkle.Hash
	context    *signing.EventContext
	// checkpointKeys are those whose signatures a checkpoint may carry.
	checkpointKeys []*signing.PublicKey
	// previous is the key of the segment before, if the key was changed: it signs the
	// segment's first checkpoint, too.
	previous *signing.PublicKey
	// change is the note about that, as the segment has it.
	change *signing.KeyChange
	// trustedSigners is the key for whose sake the segment counts, the signer. If the header cannot
	// be read it is any.
	trustedSigners []boundKey
	// besideSigners are the other keys of the segment that the caller knows bounds of.
	besideSigners []boundKey
	// wrong says what is wrong with how the segment's key came about.
	wrong string
}

// signer returns the key that signs the segment's events, or nil.
func (a *authority) signer() *signing.PublicKey {
	if a.header == nil {
		return nil
	}
	return a.keys[0]
}

// key returns the key that may have made an event's signature, or nil.
func (a *authority) key(id string) *signing.PublicKey {
	if a.standing == standingUntrusted {
		return nil
	}
	for i, k := range a.keys {
		if k.ID() == id && (i == 0 || a.header == nil) {
			return k
		}
	}
	return nil
}

// bound reports whether the keys for whose sake the segment counts have bounds.
func (a *authority) bound() bool {
	return slices.ContainsFunc(a.trustedSigners, func(k boundKey) bool { return k.bounds != nil })
}

// sound reports whether the keys for whose sake the segment counts could sign its header.
// If not, they lend no trust to the segments around it.
func (a *authority) sound() bool {
	kind, _ := a.objection(a.header.FirstIndex, a.header.Created)
	return a.standing > standingUntrusted && kind == ""
}

func (s standing) String() string {
	return [...]string{standingUntrusted: "unknown", standingVouched: "vouched", standingIntroduced: "introduced", standingGiven: "given"}[s]
}

// authorize finds out whose signatures count in each segment, of which all are the heads.
func (c *checker) authorize(files []segment.File, all []*authority) []*authority {
	c.changes = c.newKeyChanges(all)
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
	// What is trusted vouches for what came before it.
	var after *authority
	for _, a := range slices.Backward(all) {
		if a.header == nil {
			continue
		}
		if after != nil && a.standing == standingUntrusted && after.sound() && after.wrong == "" &&
			(after.signer().Equal(a.signer()) || c.changes.lead(a.signer(), after.signer(), 0, after.header.FirstIndex)) {
			a.standing = standingVouched
			c.trustSigners(a)
		}
		after = a
	}
	// A header that cannot be read leaves the keys beside it.
	for i, a := range all {
		if a.header != nil {
			continue
		}
		for _, beside := range []int{i - 1, i + 1} {
			if beside >= 0 && beside < len(all) && all[beside].header != nil && all[beside].sound() {
				a.keys = signers.Once(append(a.keys, all[beside].signer()))
				a.context = all[beside].context
				a.standing = max(a.standing, all[beside].standing)
			}
		}
		if len(a.keys) == 0 {
			a.keys, a.standing = c.keys, standingGiven
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

// sayTrustBegins says from which leaf on the trusted keys sign the log.
func (c *checker) sayTrustBegins(results []*result, all []*authority, r *Report) {
	for i, a := range all {
		if a.header == nil || a.standing < standingIntroduced {
			continue
		}
		first := results[i].first
		r.TrustedFrom = &first
		if slices.ContainsFunc(all[:i], func(a *authority) bool { return a.standing == standingVouched }) {
			c.log.add(c.o.MaxFindings, Finding{Kind: kindTrustBegins, Severity: Info, Segment: results[i].file.Name, Index: &first,
				Message: fmt.Sprintf("the trusted keys sign the log from leaf %d on. They vouch for what came before as a whole: it has not changed since, but that its events were signed when they happened rests on keys that were not given", first)})
		}
		return
	}
}

// trusts reports whether the caller trusts a key to sign events.
func (c *checker) trusts(k *signing.PublicKey) bool { return slices.ContainsFunc(c.keys, k.Equal) }

// trustSigners finds out for the sake of which key a segment counts.
func (c *checker) trustSigners(a *authority) {
	a.trustedSigners, a.besideSigners = nil, nil
	for i, k := range a.keys {
		one := newBoundKey(k, c.o.Trust.Find(k))
		switch {
		case a.standing > standingUntrusted && (a.header == nil || i == 0):
			a.trustedSigners = append(a.trustedSigners, one)
		case one.bounds != nil:
			a.besideSigners = append(a.besideSigners, one)
		}
	}
}

// introduceSegment finds out why a segment is to be trusted, given the one before, if any.
func (c *checker) introduceSegment(before, a *authority, first uint64) {
	if c.trusts(a.signer()) {
		a.standing = standingGiven
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
		if n := c.changes.at(first); n != nil && n.To.Equal(a.signer()) {
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

// rootBefore returns the root of the tree before the segment, as its header says.
func (a *authority) rootBefore() [32]byte {
	tree, err := merkle.NewFrontier(a.header.FirstIndex, a.header.Frontier)
	if err != nil {
		return [32]byte{} // ParseHeader has checked it
	}
	return tree.Root()
}
