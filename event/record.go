// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"fmt"
	"slices"

	"go.opentelemetry.io/collector/pdata/plog"
)

// Logs returns the log record that the event was mapped from, with its resource
// and its scope: equal to the one that came in, but that attributes may come in
// another order. An event of the log's own, which has no record, gives one that
// tells what the members do, without the member "log". One that stands for another gives
// what is kept of its record, with what Replaced says as its body.
//
// It goes through OTLP's wire format, because that alone can hold all that a
// record may: keys that occur more than once among it.
func (e *Event) Logs() (plog.Logs, error) {
	var w wire
	w.message(1, func() {
		w.text(3, e.Resource.SchemaURL)
		w.message(2, func() {
			w.text(3, e.Scope.SchemaURL)
			w.message(2, func() { e.record(&w) })
			w.message(1, func() { e.Scope.wire(&w) })
		})
		w.message(1, func() { e.Resource.wire(&w) })
	})
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(w.bytes())
	if err != nil {
		return plog.Logs{}, fmt.Errorf("decode the log record of event %.80q: %w", e.EventID, err)
	}
	return logs, nil
}

// record writes a LogRecord of opentelemetry/proto/logs/v1/logs.proto, last field
// first.
func (e *Event) record(w *wire) {
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
	w.keyValues(6, e.attributes())
	body := e.Body
	if e.Replaced != nil {
		body = e.Replaced.body()
	}
	if body != nil {
		w.message(5, func() { w.anyValue(body) })
	}
	w.text(3, e.SeverityText)
	w.varint(2, uint64(int64(e.SeverityNumber)))
	if e.MappedFrom["timestamp"] == "" {
		w.fixed64(1, e.Timestamp)
	}
}

// attributes returns the record's attributes: the metadata, and those that the
// members account for.
func (e *Event) attributes() Map {
	all := slices.Clone(e.Metadata)
	for _, m := range restoring {
		key, ok := e.MappedFrom[memberNames[m]]
		if !ok {
			continue
		}
		if _, there := all.Get(key); !there {
			all = append(all, KeyValue{key, e.text(m)})
		}
	}
	return all
}

// restoring is the order in which members give attributes back. One attribute may
// feed several members, and it was left out of the metadata if one of them holds
// it exactly: those that are texts always do; of level, category and outcome, whose
// words differ, the others may hold what the attribute's word means.
var restoring = [members]member{
	mAgentID, mErrorMessage, mEventID, mOperation, mResourceID, mResourceType, mSessionID, mSourceIP, mUserAgent,
	mUserID, mCategory, mLevel, mSuccess,
}

func (r *Resource) wire(w *wire) {
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

func (s *Scope) wire(w *wire) {
	w.varint(4, uint64(s.DroppedAttributesCount))
	w.keyValues(3, s.Attributes)
	w.text(2, s.Version)
	w.text(1, s.Name)
}
