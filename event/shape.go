// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// shape is what can be known of a record's attributes from their keys alone. A
// service sends records of a few shapes again and again, so that sorting keys and
// looking them up is done once for each.
type shape struct {
	keys []string
	// order lists the first occurrence of each UTF-8 key by key, rest all others
	// in the record's order.
	order, rest []int
	// names are the keys of order as they are written, with the colon.
	names [][]byte
	// more is the place in order before which the member $more comes.
	more int
	// repeated says of each attribute that its key occurs more than once.
	repeated []bool
	// feeds lists, for each member and in the mapping's order, the attributes
	// that may feed it, by their place in the record; -1 where there is none.
	feeds [members][]int
}

// maxShapes bounds how many shapes an encoder remembers.
const maxShapes = 16

// shapeOf returns the shape of the attributes whose keys are in e.keys.
func (e *Encoder) shapeOf() *shape {
	for i, s := range e.shapes {
		if !sameKeys(s.keys, e.keys) {
			continue
		}
		if i > 0 {
			// The latest is tried first.
			copy(e.shapes[1:i+1], e.shapes[:i])
			e.shapes[0] = s
		}
		return s
	}
	s := e.mapper.newShape(e.keys)
	if len(e.shapes) < maxShapes {
		e.shapes = append(e.shapes, nil)
	}
	copy(e.shapes[1:], e.shapes)
	e.shapes[0] = s
	return s
}

func sameKeys(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (p *Mapper) newShape(keys []string) *shape {
	s := &shape{keys: make([]string, len(keys)), repeated: make([]bool, len(keys))}
	entries := make([]entry, len(keys))
	for i, k := range keys {
		// The record's memory is reused once it has been written.
		k = string([]byte(k))
		s.keys[i] = k
		entries[i] = entry{k, pcommon.Value{}, i}
	}
	firsts := splitKeys(entries)
	first := make(map[string]int, firsts)
	for _, one := range entries[:firsts] {
		if !afterMore(one.key) {
			s.more++
		}
		s.order = append(s.order, one.at)
		s.names = append(s.names, append(appendKey(nil, one.key), ':'))
		first[one.key] = one.at
	}
	for _, one := range entries[firsts:] {
		s.rest = append(s.rest, one.at)
		if at, ok := first[one.key]; ok {
			s.repeated[at], s.repeated[one.at] = true, true
		}
	}
	for m := range s.feeds {
		s.feeds[m] = make([]int, p.ranks[m])
		for i := range s.feeds[m] {
			s.feeds[m][i] = -1
		}
	}
	for _, at := range s.order {
		for _, u := range p.uses[s.keys[at]] {
			s.feeds[u.member][u.rank] = at
		}
	}
	// Lists whose order alone matters need no gaps; pairs and targets do.
	for m := range s.feeds {
		if m == int(mTarget) || m == int(mPairType) || m == int(mPairID) {
			continue
		}
		dense := s.feeds[m][:0]
		for _, at := range s.feeds[m] {
			if at >= 0 {
				dense = append(dense, at)
			}
		}
		s.feeds[m] = dense
	}
	return s
}

// valid reports whether the string can be a member's text as it is.
func valid(s string) bool { return utf8.ValidString(s) }
