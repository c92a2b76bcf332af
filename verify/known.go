// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

// What the caller knows of a log says more than whose signatures count: how far the log
// has got, who signed it where, and who signs next to that. Whoever has an old key can make
// a log that is good by itself, but not one that fits all of this.

// checkKnown holds what the caller knows against the whole log.
func (c *checker) checkKnown(j *joined, results []*result) {
	c.checkSize(&j.report, results)
	c.checkValidFrom(j, results)
	for _, k := range c.checkpointKeys {
		c.checkCheckpointKey(j, results, newBoundKey(k, signers.Find(c.o.Trust, k)))
	}
	c.checkRevokedAlone(&j.report, results)
	c.checkDirectory(j, results)
	reportSuccession(j, results)
}

// reportTrustBegins says from which leaf on the trusted keys sign the log.
func (c *checker) reportTrustBegins(results []*result, all []*authority, r *Report) {
	for i, a := range all {
		if a.header == nil || a.standing < standingIntroduced {
			continue
		}
		first := results[i].first
		r.TrustedFrom = &first
		if slices.ContainsFunc(all[:i], func(a *authority) bool { return a.standing == standingSucceeded }) {
			c.add(newFinding(kindTrustBegins, Info, place{segment: results[i].file.Name, index: &first},
				"the trusted keys sign the log from leaf %d on. They vouch for what came before as a whole: it has not changed since, but that its events were signed when they happened rests on keys that were not given", first))
		}
		return
	}
}

// checkSize says so if the log is shorter than it must be. AsOf is the caller's word alone, and
// accuses nobody.
func (c *checker) checkSize(r *Report, results []*result) {
	want, by := signers.LeastSize(c.o.Trust)
	switch as := c.o.AsOf; {
	case as == nil && r.TreeSize < want:
		severity, hint := c.byIndices(results)
		if unread := unreadUpTo(results, want); unread != "" {
			severity, hint = Unchecked, fmt.Sprintf(". %s could not be read, and may hold the others. %s", unread, compression.HowToDecompress(unread))
		}
		c.say(Rollback, severity, nil, "what is known of the key %s says that the log has had %d leaves, but it has only %d: its end is missing, or it is an older copy, which it takes its size to check (--as-of)%s", by.Name(), want, r.TreeSize, hint)
	case as == nil:
	case r.TreeSize < *as:
		c.say(Rollback, Unchecked, nil, "the log is to be one of %d leaves or more, as you say (--as-of), but it has only %d: its end is missing, or that size is another log's. The checkpoint of that size shows which (--checkpoint)", *as, r.TreeSize)
	case r.TreeSize < want:
		r.AsOf = *as
		c.say(kindAsOf, Info, nil, "the log is taken to be a copy of the time when it had %d leaves: what is known of the key %s, that it has had %d since, is not held against it", *as, by.Name(), want)
	}
}

// byIndices is how severe it is that a log does not fit indices in Options.Trust, and what to
// say of that. They are the caller's word, and of one log: they accuse this one only if a key
// listed there signs it, and if it is not one of several that share their keys,
// unless the caller asks for it by its origin.
func (c *checker) byIndices(results []*result) (Severity, string) {
	listed := func(k *signing.PublicKey) bool { return signers.Find(c.o.Trust, k) != nil }
	signs, several := false, c.o.Placed
	for _, n := range c.changes.all {
		signs = signs || listed(n.From) || listed(n.To) // and has signed that note
	}
	for _, r := range results {
		a := r.authority
		if a.header == nil || a.standing == standingUntrusted {
			continue
		}
		several = several || slices.Contains(a.header.Features, segline.FeaturePartition)
		signs = signs || slices.ContainsFunc(a.keys, listed)
	}
	switch {
	case !signs:
		return Unchecked, ". None of the keys listed with it signs this log: it may be known of another one. List the log's own key, too"
	case several && c.o.Origin == "":
		return Unchecked, ". The log is one of several, which may share their keys, and an index is of one: check it by itself, with a trust file of its own and its origin (--origin)"
	default:
		return Tampering, ""
	}
}

// checkValidFrom says so if a key that is valid from a leaf on did not sign that leaf.
func (c *checker) checkValidFrom(j *joined, results []*result) {
	for i := range c.o.Trust {
		k := &c.o.Trust[i]
		if k.Public == nil || !k.For(trust.UseEvents) || k.From == nil || !k.From.ByIndex || k.From.Index >= j.report.TreeSize {
			continue
		}
		at := k.From.Index
		if key := c.keyAt(results, at); key != nil && !key.Equal(k.Public) {
			severity, hint := c.byIndices(results)
			c.say(KeyNotValid, severity, &at, "the key %s is known to sign the log from leaf %d on, but that leaf is signed with %s%s", k.Name(), at, key.ID(), hint)
		}
	}
}

// keyAt returns the key that signed a leaf, or nil if a header that cannot be read, or
// leaves that are missing, hide it.
func (c *checker) keyAt(results []*result, index uint64) *signing.PublicKey {
	if index < results[0].first {
		if first := results[0].authority; first.header != nil {
			return c.changes.keyAt(index, first.signer())
		}
		return nil
	}
	for _, r := range slices.Backward(results) {
		if index < r.first {
			continue
		}
		if r.end != nil && index < r.end.size {
			return r.authority.signer()
		}
		return nil
	}
	return nil
}

// checkCheckpointKey checks that a key which signs checkpoints next to others has gone on
// to do so, once it had begun. That all keys of a segment sign its checkpoints is checked
// with these.
func (c *checker) checkCheckpointKey(j *joined, results []*result, k boundKey) {
	due, why, severity := c.due(k, j.report.Origin, results)
	leaves := c.leaves(k) // those that are left
	begun, left := false, false
	for i, r := range results {
		a := r.authority
		if a.header == nil || r.end == nil || a.standing == standingUntrusted {
			continue // what can be said of it has been said, or nothing of it counts
		}
		named := slices.ContainsFunc(a.keys, k.Equal)
		leaving := false
		for len(leaves) > 0 && leaves[0] <= r.first {
			leaving, leaves = true, leaves[1:]
		}
		switch {
		case named && !begun && r.first > results[0].first:
			j.add(i, r, newFinding(kindCheckpointKeyBegins, Info, place{line: 1, index: &r.first}, "the key %s signs the log's checkpoints from here on", k.ID()))
			fallthrough
		case named:
			begun, left, due, why, severity = true, false, r.first, "it signed those of the segment before", Tampering
		case leaving, c.gone(k.PublicKey, r):
			due, left = math.MaxUint64, true
		case due < r.end.size:
			j.add(i, r, newFinding(CheckpointKeyMissing, severity, place{line: 1, index: &r.first},
				"the key %s does not sign the checkpoints of this segment, though %s, and no key change that it has signed lets it leave", k.ID(), why))
			return
		}
	}
	if begun || left || j.report.TreeSize == 0 {
		return
	}
	if k.bounds != nil && k.bounds.From != nil && !signers.Reached(k.bounds.From, j.report.TreeSize-1, c.lastCommit(j)) {
		return // it has not begun yet, which may be right
	}
	c.say(CheckpointKeyMissing, Unchecked, nil, "the key %s, which is given for checkpoints, signs none of the log's", k.ID())
}

// due returns the leaf from which on a key must sign, as far as is known from elsewhere than
// the log's headers, and why.
func (c *checker) due(k boundKey, origin string, results []*result) (leaf uint64, why string, severity Severity) {
	leaf, severity = math.MaxUint64, Tampering
	if k.bounds != nil && k.bounds.From != nil && k.bounds.From.ByIndex {
		var hint string
		severity, hint = c.byIndices(results)
		leaf, why = k.bounds.From.Index, fmt.Sprintf("it is known to do so from leaf %d on%s", k.bounds.From.Index, hint)
	}
	for _, kept := range c.kept {
		if kept.err == nil && kept.Origin == origin && kept.Size > 0 && (kept.Size-1 < leaf || severity == Unchecked) && slices.ContainsFunc(kept.signers, k.Equal) && !c.trusts(k.PublicKey) {
			severity = Tampering
			leaf, why = kept.Size-1, kept.title()+fmt.Sprintf(" shows that it signed the log when that had %d leaves", kept.Size)
		}
	}
	return leaf, why, severity
}

// leaves returns the leaves from which on the key has left, as key changes say that it has
// signed, in order.
func (c *checker) leaves(k boundKey) (at []uint64) {
	for index, n := range c.changes.all {
		if slices.ContainsFunc(n.Leaving, k.Equal) {
			at = append(at, index)
		}
	}
	slices.Sort(at)
	return at
}

// gone reports whether what the caller knows of a key says that it signs no checkpoint of a
// segment any more.
func (c *checker) gone(k *signing.PublicKey, r *result) bool {
	bounds := signers.Find(c.o.Trust, k)
	if bounds == nil || r.header == nil {
		return false
	}
	passed := func(p *trust.Point) bool { return p != nil && signers.Reached(p, r.first, r.header.Created) }
	return passed(bounds.Until) || passed(bounds.Revoked)
}

func (c *checker) lastCommit(j *joined) time.Time {
	if j.report.LastCommit == nil {
		return time.Time{}
	}
	return *j.report.LastCommit
}

// checkRevokedAlone says so if the last that counts in the log is signed with a key that has
// been revoked, be it later: whoever has that key may have written all that nobody else has signed.
func (c *checker) checkRevokedAlone(r *Report, results []*result) {
	if c.o.AsOf != nil || r.TreeSize == 0 {
		return
	}
	i := slices.IndexFunc(results, func(one *result) bool { return one.end != nil && one.end.size == r.TreeSize })
	if i < 0 {
		return
	}
	a := results[i].authority
	if a.header == nil || a.standing == standingUntrusted {
		return
	}
	bounds := signers.Find(c.o.Trust, a.signer())
	if bounds == nil || bounds.Revoked == nil {
		return
	}
	for _, k := range a.keys[1:] {
		if known := signers.Find(c.o.Trust, k); slices.ContainsFunc(c.checkpointKeys, k.Equal) && (known == nil || known.Revoked == nil) {
			return
		}
	}
	confirmed := r.WitnessedSize
	for _, k := range c.kept[:c.fromCaller] {
		if k.promise == nil && k.err == nil && k.Same() && !k.Other() {
			confirmed = max(confirmed, k.Size)
		}
	}
	if confirmed < r.TreeSize {
		c.say(RevokedAlone, Unchecked, &confirmed, "from leaf %d on only the key %s has signed the log, which is revoked: whoever has come by it may have written that. Hold the log against a checkpoint kept from before, or list the key that it goes on with", confirmed, bounds.Name())
	}
}

// checkDirectory says so if the log is a partition and its directory is not called after it.
func (c *checker) checkDirectory(j *joined, results []*result) {
	i := slices.IndexFunc(results, func(r *result) bool {
		return r.header != nil && slices.Contains(r.header.Features, segline.FeaturePartition)
	})
	if j.report.Partition = i >= 0; !j.report.Partition || c.o.Directory == "" || strings.HasSuffix(j.report.Origin, "/"+c.o.Directory) {
		return
	}
	r := results[i]
	one := newFinding(WrongDirectory, Info, place{line: 1, index: &r.first}, "the log is the partition %q, but its directory is called %q, as that of a copy may be", j.report.Origin, c.o.Directory)
	if c.o.Placed {
		one.Severity = Tampering
		one.Message = fmt.Sprintf("the log is the partition %q, but its directory is called %q: it has been put in the place of another, or renamed", j.report.Origin, c.o.Directory)
	}
	j.add(i, r, one)
}

// reportSuccession passes on what the log's first header says of a log before it: who asks for
// all events has to ask for that one's, too.
func reportSuccession(j *joined, results []*result) {
	i := slices.IndexFunc(results, func(r *result) bool { return r.header != nil && r.header.Succeeds != nil })
	if i < 0 {
		return
	}
	r, before := results[i], results[i].header.Succeeds
	j.add(i, r, newFinding(kindBegunAnew, Info, place{line: 1, index: &r.first},
		"the log was begun anew, as it says itself: it succeeds the log %s of at least %d leaves, whose events are not in it", before.Log, before.Size))
}
