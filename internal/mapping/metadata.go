// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
	"github.com/otel-auditlog/auditlogexporter/internal/tagged"
)

// maxKeptAttributes bounds the room that an encoder keeps for a record's
// attributes, and for the entries of its maps, when it is done with the record.
const maxKeptAttributes = 1024

// load takes note of a record's attributes and returns their shape.
func (e *Encoder) load(r plog.LogRecord) *shape {
	r.Attributes().Range(func(k string, v pcommon.Value) bool {
		e.keys = append(e.keys, k)
		e.values = append(e.values, v)
		e.used = append(e.used, false)
		return true
	})
	return e.shapes.of(e.keys, e.mapper)
}

// unload forgets the record: its memory is not the encoder's to keep.
func (e *Encoder) unload() {
	if cap(e.stack) > maxKeptAttributes {
		e.stack = nil
	}
	if cap(e.keys) > maxKeptAttributes {
		e.keys, e.values, e.used = nil, nil, nil
		return
	}
	clear(e.keys)
	clear(e.values)
	e.keys, e.values, e.used = e.keys[:0], e.values[:0], e.used[:0]
}

// appendMetadata appends the attributes that no member accounts for, and the
// closing brace.
func (e *Encoder) appendMetadata(dst []byte, s *shape) []byte {
	start := len(dst)
	for i, at := range s.order {
		if i == s.more {
			dst = e.appendRest(dst, s)
		}
		if e.used[at] {
			continue
		}
		dst = append(dst, s.names[i]...)
		dst = e.appendValue(dst, e.values[at], 0)
		dst = append(dst, ',')
	}
	if s.more == len(s.order) {
		dst = e.appendRest(dst, s)
	}
	return tagged.CloseObject(dst, start)
}

// appendRest appends the attributes that have no member of their own in metadata
// as the member $more, and a comma.
func (e *Encoder) appendRest(dst []byte, s *shape) []byte {
	if len(s.rest) == 0 {
		return dst
	}
	dst = append(dst, `"$more":`...)
	for i, at := range s.rest {
		dst = tagged.AppendPair(dst, e.keys[at], i == 0)
		dst = e.appendValue(dst, e.values[at], 0)
		dst = append(dst, ']')
	}
	return append(dst, "],"...)
}

// appendSources appends the member mapped_from and a comma, or nothing if no
// member comes from an attribute.
func (s *shape) appendSources(dst []byte, m *mapped) []byte {
	c := &s.sources
	if c.text == nil || c.origins != m.origins || c.stated != (m.success != event.OutcomeUnknown) {
		c.origins, c.stated = m.origins, m.success != event.OutcomeUnknown
		from := s.sourcesOf(m)
		c.text = from.Append(c.text[:0])
	}
	return append(dst, c.text...)
}

// sourcesOf returns where the members are from. All that it depends on is in origins,
// but for the success: of members that come from no attribute, some are always there,
// and others never are.
func (s *shape) sourcesOf(m *mapped) (from member.Sources) {
	for i, at := range m.origins.attribute {
		if at > 0 {
			from.From[i], from.Has[i], from.Set[i] = s.keys[at-1], true, true
		}
	}
	for _, always := range []member.Member{member.EventID, member.Operation, member.ResourceID, member.ResourceType} {
		from.Set[always] = true
	}
	from.Set[member.Success] = m.success != event.OutcomeUnknown
	from.From[member.Timestamp], from.Has[member.Timestamp] = m.origins.time, m.origins.time != ""
	return from
}
