// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
)

var update = flag.Bool("update", false, "write testdata/event/vectors.json anew")

// The events of format version 1 never change: archives hold them.
func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	all := eventtest.Vectors(t)
	assert.GreaterOrEqual(t, len(all), 20, "vectors")
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(v.OTLP)
			require.NoError(t, err)
			b := eventtest.Encode(t, eventtest.NewEncoder(t), logs)
			assert.Equal(t, v.Event, string(b), "got  %s\n", b)
			got, want := eventtest.Dump(eventtest.Decode(t, b)), eventtest.Dump(logs)
			assert.Equal(t, want, got, "came in:\n")
		})
	}
}

func writeVectors(t *testing.T) {
	var all []eventtest.Vector
	add := func(name string, logs plog.Logs) {
		otlp, err := (&plog.ProtoMarshaler{}).MarshalLogs(logs)
		require.NoError(t, err)
		all = append(all, eventtest.Vector{Name: name, OTLP: otlp, Event: string(eventtest.Encode(t, eventtest.NewEncoder(t), logs))})
	}
	wire := func(name string, record []byte) {
		record = protowire.AppendFixed64(protowire.AppendTag(record, 1, protowire.Fixed64Type), 1_795_428_900_000_000_000)
		add(name, eventtest.Unmarshal(t, eventtest.Attribute(record, "audit.record.id", eventtest.TextValue("id"))))
	}
	double := func(bits uint64) []byte {
		return protowire.AppendFixed64(protowire.AppendTag(nil, 4, protowire.Fixed64Type), bits)
	}
	list := func(values ...[]byte) (b []byte) {
		for _, v := range values {
			b = eventtest.BytesField(b, 1, v)
		}
		return eventtest.BytesField(nil, 5, b)
	}
	pairs := func(keysAndValues ...[]byte) (b []byte) {
		for i := 0; i < len(keysAndValues); i += 2 {
			b = eventtest.BytesField(b, 1, eventtest.BytesField(eventtest.BytesField(nil, 1, keysAndValues[i]), 2, keysAndValues[i+1]))
		}
		return eventtest.BytesField(nil, 6, b)
	}
	body := func(v []byte) []byte { return eventtest.BytesField(nil, 5, v) }

	login := plog.NewLogs()
	rl := login.ResourceLogs().AppendEmpty()
	rl.SetSchemaUrl("https://opentelemetry.io/schemas/1.37.0")
	rl.Resource().Attributes().PutStr("service.name", "shop")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("shop/auth")
	sl.Scope().SetVersion("1.2.3")
	eventtest.LoginRecord().CopyTo(sl.LogRecords().AppendEmpty())
	add("a login", login)

	wire("nothing", nil)
	wire("empty attribute", eventtest.Attribute(nil, "a", nil))
	wire("booleans", body(list(
		protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 1), protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 0))))
	wire("integers", body(list(
		eventtest.IntValue(0), eventtest.IntValue(-1), eventtest.IntValue(1<<53-1), eventtest.IntValue(1<<53), eventtest.IntValue(-(1<<53-1)), eventtest.IntValue(-(1<<53)), eventtest.IntValue(math.MaxInt64), eventtest.IntValue(math.MinInt64))))
	var doubles [][]byte
	for _, v := range []float64{0, math.Copysign(0, -1), 0.5, 5, 1e20, 1e21, 1e-6, 1e-7, 1 << 53, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1)} {
		doubles = append(doubles, double(math.Float64bits(v)))
	}
	wire("doubles", body(list(doubles...)))
	wire("NaNs", body(list(double(0x7ff8000000000001), double(0x7ff8000000000000), double(0xfff8000000000001), double(0x7ff0000000000001))))
	wire("strings", body(list(eventtest.TextValue(""), eventtest.TextValue("\x00\b\t\n\v\f\r\x1f \"/\\\x7f"), eventtest.TextValue("\u0080\u2028\u2029\ufeff\U0001f600"))))
	wire("strings that are not UTF-8", body(list(eventtest.TextValue("\xff"), eventtest.TextValue("a\x80b"), eventtest.TextValue("\xed\xa0\x80"))))
	wire("bytes", body(list(eventtest.BytesField(nil, 7, nil), eventtest.BytesField(nil, 7, []byte{0, 255, 254}))))
	wire("look-alikes", body(list(eventtest.TextValue("5"), eventtest.IntValue(5), double(math.Float64bits(5)), pairs([]byte("$int"), eventtest.TextValue("5")), pairs([]byte("$$int"), eventtest.TextValue("5")),
		pairs([]byte("$bytes"), eventtest.TextValue("NQ==")), eventtest.TextValue(`{"$int":"5"}`))))
	wire("key order", body(pairs([]byte("\ue000"), nil, []byte("\U0001f600"), nil, []byte("\u20ac"), nil, []byte("b"), nil, []byte("a"), nil, []byte(""), nil)))
	wire("keys with a dollar", body(pairs([]byte("$"), nil, []byte("$$"), nil, []byte("$more"), nil, []byte("%"), nil, []byte("#"), nil, []byte("a"), nil, []byte("a"), nil)))
	wire("repeated keys", eventtest.Attribute(eventtest.Attribute(eventtest.Attribute(eventtest.Attribute(nil, "b", eventtest.IntValue(1)), "a", eventtest.IntValue(2)), "b", eventtest.IntValue(3)), "b", eventtest.IntValue(1)))
	wire("keys that are not UTF-8", eventtest.Attribute(eventtest.Attribute(eventtest.Attribute(nil, "\xff", eventtest.IntValue(1)), "z", eventtest.IntValue(2)), "\xff", eventtest.IntValue(3)))
	wire("repeated keys of a map", body(pairs([]byte("a"), eventtest.IntValue(1), []byte("a"), pairs([]byte("b"), nil, []byte("b"), nil))))
	wire("a repeated key that feeds a member", eventtest.Attribute(eventtest.Attribute(nil, "user.id", eventtest.TextValue("u")), "user.id", eventtest.TextValue("v")))
	wire("a number that feeds a member", eventtest.Attribute(nil, "user.id", eventtest.IntValue(42)))
	wire("an outcome", eventtest.Attribute(nil, "audit.outcome", eventtest.TextValue("unknown")))
	wire("another outcome", eventtest.Attribute(nil, "audit.outcome", eventtest.TextValue("FAILED")))

	deep := plog.NewLogs()
	r := deep.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetTimestamp(1)
	r.Attributes().PutStr("audit.record.id", "id")
	eventtest.Nest(r.Body(), 102)
	add("102 levels", deep)

	full := plog.NewLogs()
	rl = full.ResourceLogs().AppendEmpty()
	rl.SetSchemaUrl("resource schema")
	rl.Resource().SetDroppedAttributesCount(1)
	rl.Resource().Attributes().PutStr("host.id", "h")
	sl = rl.ScopeLogs().AppendEmpty()
	sl.SetSchemaUrl("scope schema")
	sl.Scope().SetName("name")
	sl.Scope().SetVersion("version")
	sl.Scope().SetDroppedAttributesCount(2)
	sl.Scope().Attributes().PutBool("a", true)
	r = sl.LogRecords().AppendEmpty()
	r.SetTimestamp(math.MaxUint64)
	r.SetObservedTimestamp(1)
	r.SetSeverityNumber(17)
	r.SetSeverityText("ERROR")
	r.SetFlags(1)
	r.SetDroppedAttributesCount(math.MaxUint32)
	r.SetTraceID(pcommon.TraceID{15: 1})
	r.SetSpanID(pcommon.SpanID{7: 1})
	r.SetEventName("name")
	r.Attributes().PutStr("audit.record.id", "id")
	r.Body().SetStr("text")
	ref := entity.ResourceEntityRefs(rl.Resource()).AppendEmpty()
	ref.SetSchemaUrl("entity schema")
	ref.SetType("host")
	ref.IdKeys().Append("host.id")
	ref.DescriptionKeys().Append("host.name", "host.type")
	add("every field", full)

	var b bytes.Buffer
	for i, v := range all {
		line, err := json.Marshal(v)
		require.NoError(t, err)
		fmt.Fprintf(&b, "%s%s", map[bool]string{true: "[\n", false: ",\n"}[i == 0], line)
	}
	b.WriteString("\n]\n")
	require.NoError(t, os.WriteFile(eventtest.VectorsFile(t), b.Bytes(), 0o644))
}
