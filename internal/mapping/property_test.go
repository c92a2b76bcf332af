// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/gowebpki/jcs"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

// Decoding an event gives a record equal to the one that came in, and the event is
// in canonical form.
func TestRoundTrip(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		logs := eventtest.DrawLogs(t)
		b := eventtest.Encode(t, enc, logs)
		var s eventjson.Summary
		err := eventjson.Scan(b, &s)
		require.NoError(t, err, "Scan: %v\n%s", err, b)
		canonical, err := jcs.Transform(b)
		require.NoError(t, err, "not canonical")
		require.Equal(t, b, canonical, "not canonical")
		e, err := event.Parse(b)
		require.NoError(t, err, "Parse: %v\n%s", err, b)
		again, err := mapping.Logs(e)
		require.NoError(t, err)
		want, got := eventtest.Dump(logs), eventtest.Dump(again)
		require.Equal(t, want, got, "came in:\n%s\ncame out:\n%s\nevent:\n%s", want, got, b)
		require.NotEmpty(t, e.EventID, "an empty member: %s", b)
		require.NotEmpty(t, e.Operation, "an empty member: %s", b)
		require.NotEmpty(t, e.ResourceType, "an empty member: %s", b)
		require.NotEmpty(t, e.ResourceID, "an empty member: %s", b)
	})
}

// Whatever the mapping, attributes that feed several members among it.
func TestRoundTripWithAnyMapping(t *testing.T) {
	attributes := []string{"a", "b", "c", "$d", "event.name"}
	names := rapid.SliceOfNDistinct(rapid.SampledFrom(attributes), 0, 3, rapid.ID[string])
	words := rapid.SampledFrom([]string{
		"", "success", "failure", "unknown", "ok", "error", "ERROR", "warn", "info", "security", "authentication", "Authentication", "user", "system", "192.0.2.1", "404", "x",
	})
	rapid.Check(t, func(t *rapid.T) {
		var m mapping.Config
		for _, list := range []*[]string{
			&m.EventID, &m.Level, &m.Category, &m.Operation, &m.ActorType, &m.ActorID, &m.UserID, &m.AgentID, &m.SessionID, &m.Success, &m.ErrorType, &m.HTTPStatusCode,
			&m.ErrorMessage, &m.SourceIP, &m.UserAgent, &m.EventName,
		} {
			*list = names.Draw(t, "names")
		}
		for range rapid.IntRange(0, 2).Draw(t, "pairs") {
			m.Resources = append(m.Resources, mapping.ResourcePair{Type: rapid.SampledFrom(attributes).Draw(t, "type"), ID: rapid.SampledFrom(attributes).Draw(t, "id")})
		}
		for range rapid.IntRange(0, 2).Draw(t, "targets") {
			m.Targets = append(m.Targets, mapping.Target{Attribute: rapid.SampledFrom(attributes).Draw(t, "target"), Type: "thing"})
		}
		var record []byte
		for range rapid.IntRange(0, 6).Draw(t, "attributes") {
			value := eventtest.TextValue(words.Draw(t, "word"))
			if rapid.IntRange(0, 5).Draw(t, "kind") == 0 {
				value = eventtest.DrawValue(t, 3)
			}
			record = eventtest.Attribute(record, rapid.SampledFrom(attributes).Draw(t, "attribute"), value)
		}
		enc, err := mapping.NewEncoder(m)
		require.NoError(t, err)
		logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(eventtest.BytesField(nil, 1, eventtest.BytesField(nil, 2, eventtest.BytesField(nil, 2, record))))
		require.NoError(t, err)
		b := eventtest.Encode(t, enc, logs)
		e, err := event.Parse(b)
		require.NoError(t, err, "Parse: %v\n%s", err, b)
		again, err := mapping.Logs(e)
		require.NoError(t, err)
		want, got := eventtest.Dump(logs), eventtest.Dump(again)
		require.Equal(t, want, got, "came in:\n%s\ncame out:\n%s\nevent:\n%s", want, got, b)
	})
}

// What an encoder has written before makes no difference to what it writes.
func TestEncoderRemembersNothing(t *testing.T) {
	used := eventtest.NewEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		logs := eventtest.DrawLogs(t)
		r := eventtest.RecordIn(logs)
		// An id and a time of its own, so that two events of it are alike.
		r.SetTimestamp(max(r.Timestamp(), 1))
		r.Attributes().Remove("log.record.uid")
		for r.Attributes().Remove("audit.record.id") {
		}
		r.Attributes().PutStr("audit.record.id", "id")
		fresh, err := mapping.NewEncoder(mapping.Default())
		require.NoError(t, err)
		want, got := eventtest.Encode(t, fresh, logs), eventtest.Encode(t, used, logs)
		require.Equal(t, want, got, "fresh encoder")
	})
}

// Two different records are never written alike. Records that bear an id and a time
// are used, since others get one.
func TestEncodingIsInjective(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		// Small alphabets, so that near collisions are drawn often.
		value := func(label string) []byte {
			switch rapid.IntRange(0, 9).Draw(t, label) {
			case 0:
				return eventtest.BytesField(nil, 1, []byte("5"))
			case 1:
				return protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), 5)
			case 2:
				return protowire.AppendFixed64(protowire.AppendTag(nil, 4, protowire.Fixed64Type), math.Float64bits(5))
			case 3:
				return eventtest.BytesField(nil, 7, []byte("5"))
			case 4:
				return eventtest.BytesField(nil, 1, []byte("\xff"))
			case 5:
				return eventtest.BytesField(nil, 7, []byte("\xff"))
			case 6:
				return eventtest.BytesField(nil, 6, eventtest.BytesField(nil, 1, eventtest.BytesField(eventtest.BytesField(nil, 1, []byte("$int")), 2, eventtest.BytesField(nil, 1, []byte("5")))))
			case 7:
				return eventtest.BytesField(nil, 6, eventtest.BytesField(nil, 1, eventtest.BytesField(eventtest.BytesField(nil, 1, []byte("$bytes")), 2, eventtest.BytesField(nil, 1, []byte("/w==")))))
			case 8:
				return eventtest.BytesField(nil, 5, nil)
			default:
				return nil
			}
		}
		record := func(label string) plog.Logs {
			r := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 1)
			r = eventtest.BytesField(r, 6, eventtest.BytesField(eventtest.BytesField(nil, 1, []byte("audit.record.id")), 2, eventtest.BytesField(nil, 1, []byte("id"))))
			for i := range rapid.IntRange(0, 3).Draw(t, label) {
				key := rapid.SampledFrom([]string{"a", "$a", "\xff", "audit.outcome", "user.id"}).Draw(t, "key")
				r = eventtest.BytesField(r, 6, eventtest.BytesField(eventtest.BytesField(nil, 1, []byte(key)), 2, value(fmt.Sprint(label, i))))
			}
			r = eventtest.BytesField(r, 5, value(label))
			logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(eventtest.BytesField(nil, 1, eventtest.BytesField(nil, 2, eventtest.BytesField(nil, 2, r))))
			require.NoError(t, err)
			return logs
		}
		a, b := record("a"), record("b")
		if eventtest.Dump(a) != eventtest.Dump(b) && bytes.Equal(eventtest.Encode(t, enc, a), eventtest.Encode(t, enc, b)) {
			t.Fatalf("different records\n%s\n%s\nhave the same event %s", eventtest.Dump(a), eventtest.Dump(b), eventtest.Encode(t, enc, a))
		}
	})
}
