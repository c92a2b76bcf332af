// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"encoding/hex"
	"fmt"
	"slices"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
)

// Logs returns the log record that an event was mapped from, with its resource
// and its scope: equal to the one that came in, but that attributes may come in
// another order. An event of the log's own, which has no record, gives one that
// tells what the members do, without the member "log". One that stands for another gives
// what is kept of its record, with what Replaced says as its body.
//
// It goes through OTLP's wire format, because that alone can hold all that a
// record may: keys that occur more than once among it.
func Logs(e *event.Event) (plog.Logs, error) {
	body := e.Body
	if e.Replaced != nil {
		var err error
		if body, err = replacedBody(e.Replaced); err != nil {
			return plog.Logs{}, fmt.Errorf("decode the log record of event %.80q: %w", e.EventID, err)
		}
	}
	var w wire
	w.message(1, func() {
		w.text(3, e.Resource.SchemaURL)
		w.message(2, func() {
			w.text(3, e.Scope.SchemaURL)
			w.message(2, func() { writeRecord(&w, e, body) })
			w.message(1, func() { writeScope(&w, &e.Scope) })
		})
		w.message(1, func() { writeResource(&w, &e.Resource) })
	})
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(w.bytes())
	if err != nil {
		return plog.Logs{}, fmt.Errorf("decode the log record of event %.80q: %w", e.EventID, err)
	}
	return logs, nil
}

// writeRecord writes a LogRecord of opentelemetry/proto/logs/v1/logs.proto, last field
// first.
func writeRecord(w *wire, e *event.Event, body any) {
	w.text(12, e.EventName)
	w.fixed64(11, e.ObservedTimestamp)
	if e.SpanID != [8]byte{} {
		w.raw(10, e.SpanID[:])
	}
	if e.TraceID != [16]byte{} {
		w.raw(9, e.TraceID[:])
	}
	w.fixed32(8, e.Flags)
	w.varint(7, uint64(e.DroppedAttributesCount))
	w.keyValues(6, attributesOf(e))
	if body != nil {
		w.message(5, func() { w.anyValue(body) })
	}
	w.text(3, e.SeverityText)
	w.varint(2, uint64(int64(e.SeverityNumber)))
	if e.MappedFrom["timestamp"] == "" {
		w.fixed64(1, e.Timestamp)
	}
}

// attributesOf returns the record's attributes: the metadata, and those that the
// members account for.
func attributesOf(e *event.Event) event.Map {
	all := slices.Clone(e.Metadata)
	for _, m := range restoring {
		key, ok := e.MappedFrom[m.String()]
		if !ok {
			continue
		}
		if _, there := all.Get(key); !there {
			all = append(all, event.KeyValue{Key: key, Value: memberText(e, m)})
		}
	}
	return all
}

// restoring is the order in which members give attributes back. One attribute may
// feed several members, and it was left out of the metadata if one of them holds
// it exactly: those that are texts always do; of level, category and outcome, whose
// words differ, the others may hold what the attribute's word means.
var restoring = []member.Member{
	member.AgentID, member.ErrorMessage, member.EventID, member.Operation, member.ResourceID, member.ResourceType, member.SessionID, member.SourceIP, member.UserAgent,
	member.UserID, member.Category, member.Level, member.Success,
}

func writeResource(w *wire, r *event.Resource) {
	for _, ref := range slices.Backward(r.EntityRefs) {
		w.message(3, func() {
			for _, k := range slices.Backward(ref.DescriptionKeys) {
				w.raw(4, []byte(k))
			}
			for _, k := range slices.Backward(ref.IDKeys) {
				w.raw(3, []byte(k))
			}
			w.text(2, ref.Type)
			w.text(1, ref.SchemaURL)
		})
	}
	w.varint(2, uint64(r.DroppedAttributesCount))
	w.keyValues(1, r.Attributes)
}

func writeScope(w *wire, s *event.Scope) {
	w.varint(4, uint64(s.DroppedAttributesCount))
	w.keyValues(3, s.Attributes)
	w.text(2, s.Version)
	w.text(1, s.Name)
}

// replacedBody is what stands for the body in the record of an event that stands for another.
func replacedBody(object []byte) (event.Map, error) {
	var replaced member.ReplacedEvent
	r := jcs.NewReader(object)
	if err := replaced.Read(&r); err != nil {
		return nil, err
	}
	return event.Map{
		{Key: "first", Value: replaced.First}, {Key: "last", Value: replaced.Last},
		{Key: "length", Value: replaced.Length}, {Key: "sha256", Value: hex.EncodeToString(replaced.SHA256[:])},
	}, nil
}

// memberText returns a member that gives an attribute back.
func memberText(e *event.Event, m member.Member) string {
	switch m {
	case member.AgentID:
		return e.AgentID
	case member.Category:
		return string(e.Category)
	case member.ErrorMessage:
		return e.ErrorMessage
	case member.EventID:
		return e.EventID
	case member.Level:
		return string(e.Level)
	case member.Operation:
		return e.Operation
	case member.ResourceID:
		return e.ResourceID
	case member.ResourceType:
		return e.ResourceType
	case member.SessionID:
		return e.SessionID
	case member.SourceIP:
		return e.SourceIP
	case member.Success:
		return member.Outcome(e.Success).Word()
	case member.UserAgent:
		return e.UserAgent
	default:
		return e.UserID
	}
}
