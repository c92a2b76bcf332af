// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
)

// append appends the event in canonical JSON: the bytes that [Parse] decodes it from.
func (e *Event) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = e.appendMember(dst, member.AgentID)
	if e.Body != nil {
		dst = append(dst, `"body":`...)
		dst = appendAny(dst, e.Body, 0)
		dst = append(dst, ',')
	}
	dst = e.appendMember(dst, member.Category)
	dst = member.AppendCount(dst, `"dropped_attributes_count":`, e.DroppedAttributesCount)
	dst = e.appendMember(dst, member.ErrorMessage)
	dst = e.appendMember(dst, member.EventID)
	dst = member.AppendOptional(dst, `"event_name":`, e.EventName)
	dst = member.AppendCount(dst, `"flags":`, e.Flags)
	if e.Ingress != nil {
		dst = append(append(append(dst, `"ingress":`...), e.Ingress...), ',')
	}
	dst = e.appendMember(dst, member.Level)
	if e.Log != nil {
		dst = append(append(append(dst, `"log":`...), e.Log...), ',')
	}
	from := e.sources()
	dst = from.Append(dst)
	dst = append(dst, `"metadata":`...)
	dst = appendEntries(dst, e.Metadata, 0)
	dst = append(dst, ',')
	if e.ObservedTimestamp != 0 {
		dst = append(dst, `"observed_timestamp":`...)
		dst = timestamp.Append(dst, e.ObservedTimestamp)
		dst = append(dst, ',')
	}
	dst = e.appendMember(dst, member.Operation)
	if e.Replaced != nil {
		dst = append(append(append(dst, `"replaced":`...), e.Replaced...), ',')
	}
	dst = e.Resource.append(dst)
	dst = e.appendMember(dst, member.ResourceID)
	dst = e.appendMember(dst, member.ResourceType)
	dst = e.Scope.append(dst)
	dst = e.appendMember(dst, member.SessionID)
	if e.SeverityNumber != 0 {
		dst = append(dst, `"severity_number":`...)
		dst = strconv.AppendInt(dst, int64(e.SeverityNumber), 10)
		dst = append(dst, ',')
	}
	dst = member.AppendOptional(dst, `"severity_text":`, e.SeverityText)
	dst = e.appendMember(dst, member.SourceIP)
	if e.SpanID != [8]byte{} {
		dst = member.AppendID(dst, `"span_id":"`, e.SpanID[:])
	}
	dst = append(dst, `"success":`...)
	dst = append(dst, member.Outcome(e.Success).JSON()...)
	dst = append(dst, `,"timestamp":`...)
	dst = timestamp.Append(dst, e.Timestamp)
	dst = append(dst, ',')
	if e.TraceID != [16]byte{} {
		dst = member.AppendID(dst, `"trace_id":"`, e.TraceID[:])
	}
	dst = e.appendMember(dst, member.UserAgent)
	dst = e.appendMember(dst, member.UserID)
	dst[len(dst)-1] = '}'
	return dst
}

// sources returns where the event's members are from, for what it has.
func (e *Event) sources() (s member.Sources) {
	for m := range member.End {
		s.From[m], s.Has[m] = e.MappedFrom[m.String()]
		s.Set[m] = e.states(m)
	}
	return s
}

// states reports whether the event has a member that a mapping feeds, and success one other
// than null.
func (e *Event) states(m member.Member) bool {
	if m == member.Success {
		return e.Success != OutcomeUnknown
	}
	return e.text(m) != ""
}

// appendMember appends a member and a comma, or nothing if it is not set.
func (e *Event) appendMember(dst []byte, m member.Member) []byte {
	text := e.text(m)
	if text == "" {
		return dst
	}
	dst = append(dst, m.Key()...)
	dst = jcs.AppendString(dst, text)
	return append(dst, ',')
}

func (r *Resource) append(dst []byte) []byte {
	dst = append(dst, `"resource":{`...)
	start := len(dst)
	dst = r.Attributes.append(dst)
	dst = member.AppendCount(dst, `"dropped_attributes_count":`, r.DroppedAttributesCount)
	if len(r.EntityRefs) > 0 {
		dst = append(dst, `"entity_refs":`...)
		dst = member.AppendList(dst, len(r.EntityRefs), func(dst []byte, i int) []byte {
			ref := &r.EntityRefs[i]
			return member.AppendEntityRef(dst, ref.DescriptionKeys, ref.IDKeys, ref.SchemaURL, ref.Type)
		})
		dst = append(dst, ',')
	}
	dst = member.AppendOptional(dst, `"schema_url":`, r.SchemaURL)
	return member.CloseOptional(dst, start, `"resource":{`)
}

func (s *Scope) append(dst []byte) []byte {
	dst = append(dst, `"scope":{`...)
	start := len(dst)
	dst = s.Attributes.append(dst)
	dst = member.AppendCount(dst, `"dropped_attributes_count":`, s.DroppedAttributesCount)
	dst = member.AppendOptional(dst, `"name":`, s.Name)
	dst = member.AppendOptional(dst, `"schema_url":`, s.SchemaURL)
	dst = member.AppendOptional(dst, `"version":`, s.Version)
	return member.CloseOptional(dst, start, `"scope":{`)
}

// append appends the member attributes and a comma, or nothing if there are none.
func (m Map) append(dst []byte) []byte {
	if len(m) == 0 {
		return dst
	}
	dst = append(dst, `"attributes":`...)
	dst = appendEntries(dst, m, 0)
	return append(dst, ',')
}
