// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"maps"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/keyhistory"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// keyChanges are the key changes of a log, by the key that was left.
type keyChanges struct {
	from  map[string][]signing.KeyChange
	index map[uint64]signing.KeyChange
	// all are those, and the ones that were left out.
	all map[uint64]signing.KeyChange
}

// newKeyChanges returns those of the file and those in the segments, which go
// before. What a key introduced that could not do so is left out.
func newKeyChanges(trusted *signers.Trusted, history *keyhistory.History, all []*authority) *keyChanges {
	k := &keyChanges{from: map[string][]signing.KeyChange{}, index: map[uint64]signing.KeyChange{}, all: map[uint64]signing.KeyChange{}}
	add := func(n signing.KeyChange, at time.Time) {
		if _, ok := k.all[n.Index]; ok {
			return
		}
		k.all[n.Index] = n
		if trusted.ObjectionToChange(&n, at) != "" {
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
	for _, n := range history.Changes {
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

// changeAt returns the key change at an index, or nil.
func (k *keyChanges) changeAt(index uint64) *signing.KeyChange {
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
	for _, leaf := range slices.Sorted(maps.Keys(k.all)) {
		n := k.all[leaf]
		switch {
		case leaf <= index:
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
// one before, all after the leaf after and none after until.
func (k *keyChanges) lead(from, to *signing.PublicKey, after, until uint64) bool {
	// Nearly always there is one way only; a key may come back, though.
	type step struct {
		key   *signing.PublicKey
		after uint64
	}
	seen := map[uint64]bool{}
	for steps := []step{{from, after}}; len(steps) > 0; {
		last := steps[len(steps)-1]
		steps = steps[:len(steps)-1]
		for _, n := range k.from[string(last.key.SPKI())] {
			if n.Index <= last.after || n.Index > until || seen[n.Index] {
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
	neighbours := map[string][]*signing.PublicKey{}
	for _, n := range k.index {
		neighbours[n.From.ID()] = append(neighbours[n.From.ID()], n.To)
		neighbours[n.To.ID()] = append(neighbours[n.To.ID()], n.From)
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
		todo = append(todo, neighbours[key.ID()]...)
	}
	return all
}
