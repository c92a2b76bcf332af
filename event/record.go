// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"fmt"
	"math"
	"slices"

	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/protobuf/encoding/protowire"
)

// Logs returns the log record that the event was mapped from, with its resource
// and its scope: equal to the one that came in, but that attributes may come in
// another order. It goes through OTLP's wire format, because that alone can hold
// all that a record may: keys that occur more than once among it.
func (e *Event) Logs() (plog.Logs, error) {
	scopeLogs := field(nil, 1, e.Scope.wire())
	scopeLogs = field(scopeLogs, 2, e.record())
	scopeLogs = text(scopeLogs, 3, e.Scope.SchemaURL)
	resourceLogs := field(nil, 1, e.Resource.wire())
	resourceLogs = field(resourceLogs, 2, scopeLogs)
	resourceLogs = text(resourceLogs, 3, e.Resource.SchemaURL)
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(field(nil, 1, resourceLogs))
	if err != nil {
		return plog.Logs{}, fmt.Errorf("decode the log record of event %q: %w", e.EventID, err)
	}
	return logs, nil
}

// record returns a LogRecord of opentelemetry/proto/logs/v1/logs.proto.
func (e *Event) record() []byte {
	var b []byte
	if e.MappedFrom["timestamp"] == "" {
		b = fixed64(b, 1, e.Timestamp)
	}
	b = varint(b, 2, uint64(int64(e.SeverityNumber)))
	b = text(b, 3, e.SeverityText)
	if e.Body != nil {
		b = field(b, 5, anyValue(e.Body))
	}
	b = keyValues(b, 6, e.attributes())
	b = varint(b, 7, uint64(e.DroppedAttributesCount))
	if e.Flags != 0 {
		b = protowire.AppendFixed32(protowire.AppendTag(b, 8, protowire.Fixed32Type), e.Flags)
	}
	if e.TraceID != [16]byte{} {
		b = field(b, 9, e.TraceID[:])
	}
	if e.SpanID != [8]byte{} {
		b = field(b, 10, e.SpanID[:])
	}
	b = fixed64(b, 11, e.ObservedTimestamp)
	return text(b, 12, e.EventName)
}

// attributes returns the record's attributes: the metadata, and those that the
// members account for.
func (e *Event) attributes() Map {
	all := slices.Clone(e.Metadata)
	add := func(member, value string) {
		key, ok := e.MappedFrom[member]
		if !ok {
			return
		}
		if _, there := all.Get(key); !there {
			all = append(all, KeyValue{key, value})
		}
	}
	add("agent_id", e.AgentID)
	add("category", string(e.Category))
	add("error_message", e.ErrorMessage)
	add("event_id", e.EventID)
	add("level", string(e.Level))
	add("operation", e.Operation)
	add("resource_id", e.ResourceID)
	add("resource_type", e.ResourceType)
	add("session_id", e.SessionID)
	add("source_ip", e.SourceIP)
	add("user_agent", e.UserAgent)
	add("user_id", e.UserID)
	// Last, because its word is the attribute's only if no member above has it.
	add("success", e.Success.word())
	return all
}

func (r *Resource) wire() []byte {
	b := keyValues(nil, 1, r.Attributes)
	b = varint(b, 2, uint64(r.DroppedAttributesCount))
	for _, ref := range r.EntityRefs {
		w := text(nil, 1, ref.SchemaURL)
		w = text(w, 2, ref.Type)
		for _, k := range ref.IDKeys {
			w = field(w, 3, []byte(k))
		}
		for _, k := range ref.DescriptionKeys {
			w = field(w, 4, []byte(k))
		}
		b = field(b, 3, w)
	}
	return b
}

func (s *Scope) wire() []byte {
	b := text(nil, 1, s.Name)
	b = text(b, 2, s.Version)
	b = keyValues(b, 3, s.Attributes)
	return varint(b, 4, uint64(s.DroppedAttributesCount))
}

// keyValues appends the entries of a map as repeated KeyValue.
func keyValues(b []byte, n protowire.Number, m Map) []byte {
	for _, kv := range m {
		w := text(nil, 1, kv.Key)
		w = field(w, 2, anyValue(kv.Value))
		b = field(b, n, w)
	}
	return b
}

// anyValue returns an AnyValue of opentelemetry/proto/common/v1/common.proto. Its
// oneof members are there even if they are zero.
func anyValue(v any) []byte {
	switch v := v.(type) {
	case string:
		return field(nil, 1, []byte(v))
	case bool:
		return protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), protowire.EncodeBool(v))
	case int64:
		return protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), uint64(v))
	case float64:
		return protowire.AppendFixed64(protowire.AppendTag(nil, 4, protowire.Fixed64Type), math.Float64bits(v))
	case []any:
		var list []byte
		for _, element := range v {
			list = field(list, 1, anyValue(element))
		}
		return field(nil, 5, list)
	case Map:
		return field(nil, 6, keyValues(nil, 1, v))
	case []byte:
		return field(nil, 7, v)
	default:
		return nil
	}
}

func field(b []byte, n protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), content)
}

func text(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
}

func varint(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

func fixed64(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), v)
}
