// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventtest

import (
	"math"

	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// keys are those that are hard to get right, and those that the mapping consumes.
var keys = rapid.OneOf(
	rapid.SampledFrom([]string{
		"", "$", "$$", "$int", "$$int", "$double", "$bytes", "$string", "$more", "$json", "%", "#", "a", "b", "\u20ac", "\U0001F600", "\uFB33", "\uE000", "\uFFFF",
		"\x00", "\"", "\\", "\u2028", "\xff", "a\xffb", "\xed\xa0\x80",
		"audit.record.id", "log.record.uid", "audit.level", "audit.category", "audit.action", "audit.operation", "audit.target.type", "audit.target.id",
		"audit.resource.type", "audit.resource.id", "file.path", "url.path", "audit.actor.type", "audit.actor.id", "user.id", "enduser.id", "gen_ai.agent.id",
		"agent.id", "session.id", "audit.outcome", "audit.success", "error.type", "exception.type", "http.response.status_code", "exception.message", "error.message",
		"audit.source.id", "client.address", "user_agent.original", "event.name", "event_id", "log", "metadata", "mapped_from",
	}),
	rapid.String(),
)

var texts = rapid.OneOf(
	rapid.SampledFrom([]string{
		"", "user", "service", "system", "success", "failure", "unknown", "Success", "ok", "true", "false", "security", "WARN", "info", "critical", "authentication",
		"File_System", "192.0.2.1", "2001:db8::1", "fe80::1%eth0", "host.example", "/run/x.sock", "404", "200", "\xff\xfe", "a\x80", "\u0000\u001f\u007f\"\\/", "\u2028\u2029", "😀", "{\"$int\":\"5\"}",
	}),
	rapid.String(),
)

var doubles = rapid.OneOf(
	rapid.Float64(),
	rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, -1, 5, 0.1, 1e20, 1e21, 1e22, 1e-6, 1e-7, 9007199254740991, 9007199254740992, 9007199254740993, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0x7ff8000000000000), math.Float64frombits(0xfff0000000000001), 123456789012345680000}),
)

var ints = rapid.OneOf(
	rapid.Int64(),
	rapid.SampledFrom([]int64{0, 1, -1, 5, 200, 404, 503, 1<<53 - 1, 1 << 53, 1<<53 + 1, -(1<<53 - 1), -(1 << 53), math.MaxInt64, math.MinInt64}),
)

// A record is drawn as OTLP's wire form: that alone can say all a record may.
func BytesField(b []byte, n protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), content)
}

func DrawValue(t *rapid.T, depth int) []byte {
	kinds := []string{"empty", "string", "bool", "int", "double", "bytes"}
	if depth < 4 {
		kinds = append(kinds, "array", "map")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "string":
		return BytesField(nil, 1, []byte(texts.Draw(t, "text")))
	case "bool":
		return protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), protowire.EncodeBool(rapid.Bool().Draw(t, "bool")))
	case "int":
		return protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), uint64(ints.Draw(t, "int")))
	case "double":
		return protowire.AppendFixed64(protowire.AppendTag(nil, 4, protowire.Fixed64Type), math.Float64bits(doubles.Draw(t, "double")))
	case "bytes":
		return BytesField(nil, 7, rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case "array":
		var list []byte
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			list = BytesField(list, 1, DrawValue(t, depth+1))
		}
		return BytesField(nil, 5, list)
	case "map":
		return BytesField(nil, 6, drawMap(t, 1, depth+1))
	default:
		return nil
	}
}

func drawMap(t *rapid.T, n protowire.Number, depth int) (b []byte) {
	for range rapid.IntRange(0, 6).Draw(t, "entries") {
		kv := BytesField(nil, 1, []byte(keys.Draw(t, "key")))
		b = BytesField(b, n, BytesField(kv, 2, DrawValue(t, depth)))
	}
	return b
}

func DrawLogs(t *rapid.T) plog.Logs {
	text := func(b []byte, n protowire.Number) []byte {
		if s := texts.Draw(t, "text"); s != "" {
			b = BytesField(b, n, []byte(s))
		}
		return b
	}
	number := func(b []byte, n protowire.Number, most uint64) []byte {
		v := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(0, most), rapid.Just(most)).Draw(t, "number")
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
	}
	fixed64 := func(b []byte, n protowire.Number) []byte {
		v := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64(), rapid.Just(uint64(math.MaxUint64))).Draw(t, "time")
		return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), v)
	}
	id := func(b []byte, n protowire.Number, size int) []byte {
		if rapid.Bool().Draw(t, "has id") {
			b = BytesField(b, n, rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "id"))
		}
		return b
	}
	var r []byte
	r = fixed64(r, 1)
	r = protowire.AppendVarint(protowire.AppendTag(r, 2, protowire.VarintType), uint64(int64(rapid.OneOf(rapid.Int32Range(0, 24), rapid.Int32()).Draw(t, "severity"))))
	r = text(r, 3)
	r = BytesField(r, 5, DrawValue(t, 0))
	r = append(r, drawMap(t, 6, 0)...)
	r = number(r, 7, math.MaxUint32)
	r = protowire.AppendFixed32(protowire.AppendTag(r, 8, protowire.Fixed32Type), rapid.Uint32().Draw(t, "flags"))
	r = id(r, 9, 16)
	r = id(r, 10, 8)
	r = fixed64(r, 11)
	r = text(r, 12)

	scope := text(text(nil, 1), 2)
	scope = append(scope, drawMap(t, 3, 0)...)
	scope = number(scope, 4, math.MaxUint32)
	scopeLogs := text(BytesField(BytesField(nil, 1, scope), 2, r), 3)

	resource := number(drawMap(t, 1, 0), 2, math.MaxUint32)
	for range rapid.IntRange(0, 2).Draw(t, "entities") {
		ref := text(text(nil, 1), 2)
		for _, n := range []protowire.Number{3, 4} {
			for range rapid.IntRange(0, 2).Draw(t, "keys") {
				ref = BytesField(ref, n, []byte(texts.Draw(t, "key")))
			}
		}
		resource = BytesField(resource, 3, ref)
	}
	resourceLogs := text(BytesField(BytesField(nil, 1, resource), 2, scopeLogs), 3)
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(BytesField(nil, 1, resourceLogs))
	if err != nil {
		t.Fatal(err)
	}
	return logs
}
