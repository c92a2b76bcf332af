// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/jsontext"
)

// Append appends the event in canonical JSON: the bytes that [Parse] decoded it
// from. An event made by other means may lack what Parse demands.
func (e *Event) Append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = e.appendMember(dst, mAgentID)
	if e.Body != nil {
		dst = append(dst, `"body":`...)
		dst = appendAny(dst, e.Body, 0)
		dst = append(dst, ',')
	}
	dst = e.appendMember(dst, mCategory)
	dst = appendCount(dst, `"dropped_attributes_count":`, e.DroppedAttributesCount)
	dst = e.appendMember(dst, mErrorMessage)
	dst = e.appendMember(dst, mEventID)
	dst = appendOptional(dst, `"event_name":`, e.EventName)
	dst = appendCount(dst, `"flags":`, e.Flags)
	if e.Ingress != nil {
		dst = append(append(append(dst, `"ingress":`...), e.Ingress...), ',')
	}
	dst = e.appendMember(dst, mLevel)
	if e.Log != nil {
		dst = append(append(append(dst, `"log":`...), e.Log...), ',')
	}
	from := e.sources()
	dst = from.append(dst)
	dst = append(dst, `"metadata":`...)
	dst = appendEntries(dst, e.Metadata, 0)
	dst = append(dst, ',')
	if e.ObservedTimestamp != 0 {
		dst = append(dst, `"observed_timestamp":`...)
		dst = appendTime(dst, e.ObservedTimestamp)
		dst = append(dst, ',')
	}
	dst = e.appendMember(dst, mOperation)
	if e.Replaced != nil {
		dst = e.Replaced.append(dst)
	}
	dst = e.Resource.append(dst)
	dst = e.appendMember(dst, mResourceID)
	dst = e.appendMember(dst, mResourceType)
	dst = e.Scope.append(dst)
	dst = e.appendMember(dst, mSessionID)
	if e.SeverityNumber != 0 {
		dst = append(dst, `"severity_number":`...)
		dst = strconv.AppendInt(dst, int64(e.SeverityNumber), 10)
		dst = append(dst, ',')
	}
	dst = appendOptional(dst, `"severity_text":`, e.SeverityText)
	dst = e.appendMember(dst, mSourceIP)
	if e.SpanID != [8]byte{} {
		dst = appendID(dst, `"span_id":"`, e.SpanID[:])
	}
	dst = append(dst, `"success":`...)
	dst = append(dst, e.Success.json()...)
	dst = append(dst, `,"timestamp":`...)
	dst = appendTime(dst, e.Timestamp)
	dst = append(dst, ',')
	if e.TraceID != [16]byte{} {
		dst = appendID(dst, `"trace_id":"`, e.TraceID[:])
	}
	dst = e.appendMember(dst, mUserAgent)
	dst = e.appendMember(dst, mUserID)
	dst[len(dst)-1] = '}'
	return dst
}

// appendMember appends a member and a comma, or nothing if it is not set.
func (e *Event) appendMember(dst []byte, m member) []byte {
	text := e.text(m)
	if text == "" {
		return dst
	}
	dst = append(append(append(dst, '"'), memberNames[m]...), `":`...)
	dst = jsontext.Append(dst, text)
	return append(dst, ',')
}

func (r *Resource) append(dst []byte) []byte {
	dst = append(dst, `"resource":{`...)
	start := len(dst)
	dst = r.Attributes.append(dst)
	dst = appendCount(dst, `"dropped_attributes_count":`, r.DroppedAttributesCount)
	if len(r.EntityRefs) > 0 {
		dst = append(dst, `"entity_refs":`...)
		dst = appendList(dst, len(r.EntityRefs), func(dst []byte, i int) []byte {
			ref := &r.EntityRefs[i]
			return appendEntityRef(dst, ref.DescriptionKeys, ref.IDKeys, ref.SchemaURL, ref.Type)
		})
		dst = append(dst, ',')
	}
	dst = appendOptional(dst, `"schema_url":`, r.SchemaURL)
	return closeOptional(dst, start, `"resource":{`)
}

func (s *Scope) append(dst []byte) []byte {
	dst = append(dst, `"scope":{`...)
	start := len(dst)
	dst = s.Attributes.append(dst)
	dst = appendCount(dst, `"dropped_attributes_count":`, s.DroppedAttributesCount)
	dst = appendOptional(dst, `"name":`, s.Name)
	dst = appendOptional(dst, `"schema_url":`, s.SchemaURL)
	dst = appendOptional(dst, `"version":`, s.Version)
	return closeOptional(dst, start, `"scope":{`)
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
