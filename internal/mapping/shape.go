// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"hash/maphash"
	"slices"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/internal/tagged"
)

// shape is what can be known of a record's attributes from their keys alone. A
// service sends records of a few shapes again and again, so that keys are sorted,
// escaped and looked up once for each.
type shape struct {
	keys []string
	// order lists the first occurrence of each UTF-8 key by key, rest all others
	// in the record's order.
	order, rest []int
	// names are the keys of order as metadata has them, with the colon.
	names [][]byte
	// more is the place in order before which the member $more comes.
	more int
	// repeated says of each attribute that its key occurs more than once.
	repeated []bool
	// sequenced says that any key begins with SequencePrefix.
	sequenced bool
	// playing lists, for each role and in the mapping's order, the attributes
	// that may play it, by their place in the record; where places matter, -1
	// stands for one that the record lacks.
	playing [roles][]int
	// sources is the member mapped_from of the latest record of the shape: the
	// next is likely to have the same.
	sources struct {
		origins origins
		stated  bool // whether success is not null
		text    []byte
	}
}

// SequencePrefix begins the attributes that say where a record stands in its producer's
// stream (draft Audit Logging signal).
const SequencePrefix = "audit.sequence."

// The bounds on what an encoder remembers: records of hostile clients have other
// keys each time, and long ones.
const (
	maxShapes        = 64
	maxShapeKeys     = 256
	maxShapeKeyBytes = 16 << 10
)

// shapes remembers shapes.
type shapes struct {
	latest *shape
	byHash map[uint64]*shape
	seed   maphash.Seed
}

// of returns the shape of attributes with the given keys.
func (c *shapes) of(keys []string, p *Mapper) *shape {
	if c.latest != nil && slices.Equal(c.latest.keys, keys) {
		return c.latest
	}
	if c.byHash == nil {
		c.byHash = make(map[uint64]*shape)
		c.seed = maphash.MakeSeed()
	}
	var hash uint64
	size := 0
	for _, k := range keys {
		hash = hash*31 + maphash.String(c.seed, k)
		size += len(k)
	}
	s := c.byHash[hash]
	if s == nil || !slices.Equal(s.keys, keys) {
		s = p.newShape(keys)
		if len(keys) > maxShapeKeys || size > maxShapeKeyBytes {
			return s
		}
		if len(c.byHash) >= maxShapes {
			clear(c.byHash)
		}
		c.byHash[hash] = s
	}
	c.latest = s
	return s
}

func (p *Mapper) newShape(keys []string) *shape {
	s := &shape{keys: make([]string, len(keys)), repeated: make([]bool, len(keys))}
	entries := make([]tagged.Entry[struct{}], len(keys))
	for i, k := range keys {
		// A record's memory may be used again for another.
		s.keys[i] = strings.Clone(k)
		entries[i] = tagged.Entry[struct{}]{Key: s.keys[i], At: i}
		s.sequenced = s.sequenced || strings.HasPrefix(k, SequencePrefix)
	}
	firsts := tagged.Sort(entries)
	first := make(map[string]int, firsts)
	for _, one := range entries[:firsts] {
		if !tagged.AfterMore(one.Key) {
			s.more++
		}
		s.order = append(s.order, one.At)
		s.names = append(s.names, append(tagged.AppendKey(nil, one.Key), ':'))
		first[one.Key] = one.At
	}
	for _, one := range entries[firsts:] {
		s.rest = append(s.rest, one.At)
		if at, ok := first[one.Key]; ok {
			s.repeated[at] = true
		}
	}
	for r := range s.playing {
		s.playing[r] = slices.Repeat([]int{-1}, p.ranks[r])
	}
	for _, at := range s.order {
		for _, u := range p.uses[s.keys[at]] {
			s.playing[u.role][u.rank] = at
		}
	}
	for r := range s.playing {
		if !role(r).paired() {
			s.playing[r] = slices.DeleteFunc(s.playing[r], func(at int) bool { return at < 0 })
		}
	}
	return s
}
