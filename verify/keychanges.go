// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// keyChanges are the key changes of a log, by the key that was left.
type keyChanges struct {
	from  map[string][]signing.KeyChange
	index map[uint64]signing.KeyChange
	// all are those, and the ones that were left out.
	all map[uint64]signing.KeyChange
}

// newKeyChanges takes in those of the file and those in the segments, which go
// before. What a key introduced that could not do so is left out.
func (c *checker) newKeyChanges(all []*authority) *keyChanges {
	k := &keyChanges{from: map[string][]signing.KeyChange{}, index: map[uint64]signing.KeyChange{}, all: map[uint64]signing.KeyChange{}}
	add := func(n signing.KeyChange, at time.Time) {
		if _, ok := k.all[n.Index]; ok {
			return
		}
		k.all[n.Index] = n
		if c.o.trusted().ObjectionToChange(&n, at) != "" {
			return
		}
		k.index[n.Index] = n
		id := string(n.From.SPKI())
		k.from[id] = append(k.from[id], n)
	}
	for _, a := range all {
		if a.change != nil {
			add(*a.change, a.header.Created)
		}
	}
	for _, n := range c.history.Changes {
		add(n, changedBy(all, n.Index))
	}
	return k
}

// changedBy returns a time by which a key had been changed at a leaf: when the segment
// that begins there was created, or else the next one there is. It is zero if there is
// none.
func changedBy(all []*authority, index uint64) time.Time {
	for _, a := range all {
		if a.header != nil && a.header.FirstIndex >= index {
			return a.header.Created
		}
	}
	return time.Time{}
}

// at returns the key change at an index, or nil.
func (k *keyChanges) at(index uint64) *signing.KeyChange {
	n, ok := k.index[index]
	if !ok {
		return nil
	}
	return &n
}

// keyAt returns the key that signed a leaf before the first that is there, as all key
// changes say, whether they lead somewhere or not. first is the key of that one.
func (k *keyChanges) keyAt(index uint64, first *signing.PublicKey) *signing.PublicKey {
	var before *signing.KeyChange
	for _, at := range slices.Sorted(maps.Keys(k.all)) {
		n := k.all[at]
		switch {
		case at <= index:
			before = &n
		case before == nil:
			return n.From
		}
	}
	if before == nil {
		return first
	}
	return before.To
}

// lead reports whether key changes lead from one key to another, each later than the
// one before, all behind after and none behind until.
func (k *keyChanges) lead(from, to *signing.PublicKey, after, until uint64) bool {
	// Nearly always there is one way only; a key may come back, though.
	type step struct {
		key   *signing.PublicKey
		after uint64
	}
	seen := map[uint64]bool{}
	for steps := []step{{from, after}}; len(steps) > 0; {
		at := steps[len(steps)-1]
		steps = steps[:len(steps)-1]
		for _, n := range k.from[string(at.key.SPKI())] {
			if n.Index <= at.after || n.Index > until || seen[n.Index] {
				continue
			}
			if n.To.Equal(to) {
				return true
			}
			seen[n.Index] = true
			steps = append(steps, step{n.To, n.Index})
		}
	}
	return false
}

// connected returns all keys that key changes connect with those given.
func (k *keyChanges) connected(keys []*signing.PublicKey) []*signing.PublicKey {
	beside := map[string][]*signing.PublicKey{}
	for _, n := range k.index {
		beside[n.From.ID()] = append(beside[n.From.ID()], n.To)
		beside[n.To.ID()] = append(beside[n.To.ID()], n.From)
	}
	seen := map[string]bool{}
	var all []*signing.PublicKey
	for todo := slices.Clone(keys); len(todo) > 0; {
		key := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[key.ID()] {
			continue
		}
		seen[key.ID()] = true
		all = append(all, key)
		todo = append(todo, beside[key.ID()]...)
	}
	return all
}

// checkKeyChanges says what is wrong with the file of key changes, given the log it
// belongs to.
func (c *checker) checkKeyChanges(results []*result, r *Report) (said []Finding) {
	say := func(kind Kind, format string, args ...any) {
		said = append(said, Finding{Kind: kind, Severity: Tampering, Segment: sidefile.KeyChangesName, Message: fmt.Sprintf(format, args...)})
	}
	for _, why := range c.history.Unfit {
		say(KeyChangeInvalid, "%s", why)
	}
	newest := newestSigner(results)
	for i := range c.history.Changes {
		n := &c.history.Changes[i]
		leads := newest != nil && n.Index >= r.TreeSize && newest.Equal(n.From)
		if leads {
			newest = n.To
		}
		unread := unreadUpTo(results, n.Index)
		switch {
		case n.Origin != r.Origin && r.Origin != "":
			say(KeyChangeInvalid, "a key change of the log %q, not of %q", n.Origin, r.Origin)
		case r.Log != nil && n.Log != signing.LogID(r.Log):
			say(KeyChangeInvalid, "a key change at leaf %d of another log that has the origin %q, too", n.Index, n.Origin)
		case n.Index > r.TreeSize && unread != "":
			said = append(said, Finding{Kind: Rollback, Severity: Unchecked, Segment: sidefile.KeyChangesName,
				Message: fmt.Sprintf("the key was changed when the log had %d leaves, and %d could be read: %s may hold the others. %s", n.Index, r.TreeSize, unread, compression.HowToDecompress(unread))})
		case n.Index > r.TreeSize && leads && r.TreeSize > 0:
			// The keys of the log have signed it, like the file checkpoint.
			said = append(said, Finding{Kind: Rollback, Severity: Unchecked, Segment: sidefile.KeyChangesName,
				Message: fmt.Sprintf("the key was changed when the log had %d leaves, but it has only %d: its end is missing. %s", n.Index, r.TreeSize, copyAgain)})
		case n.Index > r.TreeSize:
			say(Rollback, "the key was changed when the log had %d leaves, but it has only %d: its end is missing", n.Index, r.TreeSize)
		case contradicts(results, n):
			say(KeyChangeInvalid, "a change to the key %s at leaf %d, where the log has none", n.To.ID(), n.Index)
		}
	}
	return said
}

// newestSigner is the first key of the last segment that counts.
func newestSigner(results []*result) *signing.PublicKey {
	for _, r := range slices.Backward(results) {
		if r.end != nil && r.authority.header != nil {
			return r.authority.signer()
		}
	}
	return nil
}

// contradicts reports whether there is a segment that holds the leaf at which a key
// was changed, and knows nothing of it. The segment may have been pruned.
func contradicts(results []*result, n *signing.KeyChange) bool {
	i, found := slices.BinarySearchFunc(results, n.Index, func(r *result, index uint64) int {
		return cmp.Compare(r.file.Parsed.FirstIndex, index)
	})
	if !found {
		i--
	}
	if i < 0 || results[i].end == nil || results[i].authority.header == nil || n.Index >= results[i].end.size {
		return false
	}
	a := results[i].authority
	return !found || a.misfit(n, n.Index) != ""
}
