// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/event"
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
func bytesField(b []byte, n protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), content)
}

func drawValue(t *rapid.T, depth int) []byte {
	kinds := []string{"empty", "string", "bool", "int", "double", "bytes"}
	if depth < 4 {
		kinds = append(kinds, "array", "map")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "string":
		return bytesField(nil, 1, []byte(texts.Draw(t, "text")))
	case "bool":
		return protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), protowire.EncodeBool(rapid.Bool().Draw(t, "bool")))
	case "int":
		return protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), uint64(ints.Draw(t, "int")))
	case "double":
		return protowire.AppendFixed64(protowire.AppendTag(nil, 4, protowire.Fixed64Type), math.Float64bits(doubles.Draw(t, "double")))
	case "bytes":
		return bytesField(nil, 7, rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case "array":
		var list []byte
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			list = bytesField(list, 1, drawValue(t, depth+1))
		}
		return bytesField(nil, 5, list)
	case "map":
		return bytesField(nil, 6, drawMap(t, 1, depth+1))
	default:
		return nil
	}
}

func drawMap(t *rapid.T, n protowire.Number, depth int) (b []byte) {
	for range rapid.IntRange(0, 6).Draw(t, "entries") {
		kv := bytesField(nil, 1, []byte(keys.Draw(t, "key")))
		b = bytesField(b, n, bytesField(kv, 2, drawValue(t, depth)))
	}
	return b
}

func drawLogs(t *rapid.T) plog.Logs {
	text := func(b []byte, n protowire.Number) []byte {
		if s := texts.Draw(t, "text"); s != "" {
			b = bytesField(b, n, []byte(s))
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
			b = bytesField(b, n, rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "id"))
		}
		return b
	}
	var r []byte
	r = fixed64(r, 1)
	r = protowire.AppendVarint(protowire.AppendTag(r, 2, protowire.VarintType), uint64(int64(rapid.OneOf(rapid.Int32Range(0, 24), rapid.Int32()).Draw(t, "severity"))))
	r = text(r, 3)
	r = bytesField(r, 5, drawValue(t, 0))
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
	scopeLogs := text(bytesField(bytesField(nil, 1, scope), 2, r), 3)

	resource := number(drawMap(t, 1, 0), 2, math.MaxUint32)
	for range rapid.IntRange(0, 2).Draw(t, "entities") {
		ref := text(text(nil, 1), 2)
		for _, n := range []protowire.Number{3, 4} {
			for range rapid.IntRange(0, 2).Draw(t, "keys") {
				ref = bytesField(ref, n, []byte(texts.Draw(t, "key")))
			}
		}
		resource = bytesField(resource, 3, ref)
	}
	resourceLogs := text(bytesField(bytesField(nil, 1, resource), 2, scopeLogs), 3)
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(bytesField(nil, 1, resourceLogs))
	if err != nil {
		t.Fatal(err)
	}
	return logs
}

// dump writes down all that a record says, so that two records have the same dump
// only if they are equal. Maps are put in order of their keys, because OTLP gives
// their order no meaning; entries with the same key keep theirs.
func dump(logs plog.Logs) string {
	var b strings.Builder
	rl := logs.ResourceLogs().At(0)
	sl := rl.ScopeLogs().At(0)
	r := sl.LogRecords().At(0)
	fmt.Fprintf(&b, "resource %s %d %q\n", dumpMap(rl.Resource().Attributes()), rl.Resource().DroppedAttributesCount(), rl.SchemaUrl())
	refs := entity.ResourceEntityRefs(rl.Resource())
	for i := range refs.Len() {
		ref := refs.At(i)
		fmt.Fprintf(&b, "entity %q %q %q %q\n", ref.SchemaUrl(), ref.Type(), ref.IdKeys().AsRaw(), ref.DescriptionKeys().AsRaw())
	}
	fmt.Fprintf(&b, "scope %s %q %q %d %q\n", dumpMap(sl.Scope().Attributes()), sl.Scope().Name(), sl.Scope().Version(), sl.Scope().DroppedAttributesCount(), sl.SchemaUrl())
	fmt.Fprintf(&b, "record %d %d %d %q %q %d %d %s %s\nbody %s\nattributes %s\n", r.Timestamp(), r.ObservedTimestamp(), r.SeverityNumber(), r.SeverityText(), r.EventName(),
		r.DroppedAttributesCount(), r.Flags(), r.TraceID(), r.SpanID(), dumpValue(r.Body()), dumpMap(r.Attributes()))
	return b.String()
}

func dumpMap(m pcommon.Map) string {
	type entry struct{ key, value string }
	var all []entry
	for k, v := range m.All() {
		all = append(all, entry{k, dumpValue(v)})
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	var b strings.Builder
	b.WriteByte('{')
	for _, e := range all {
		fmt.Fprintf(&b, "%q=%s;", e.key, e.value)
	}
	b.WriteByte('}')
	return b.String()
}

func dumpValue(v pcommon.Value) string {
	switch v.Type() {
	case pcommon.ValueTypeDouble:
		return fmt.Sprintf("double %016x", math.Float64bits(v.Double()))
	case pcommon.ValueTypeBytes:
		return fmt.Sprintf("bytes %x", v.Bytes().AsRaw())
	case pcommon.ValueTypeSlice:
		var b strings.Builder
		b.WriteByte('[')
		for _, e := range v.Slice().All() {
			b.WriteString(dumpValue(e))
			b.WriteByte(';')
		}
		b.WriteByte(']')
		return b.String()
	case pcommon.ValueTypeMap:
		return "map " + dumpMap(v.Map())
	default:
		return fmt.Sprintf("%s %q", v.Type(), v.AsString())
	}
}

func encode(t interface{ Fatal(...any) }, enc *event.Encoder, logs plog.Logs) []byte {
	rl := logs.ResourceLogs().At(0)
	sl := rl.ScopeLogs().At(0)
	enc.SetResource(rl.Resource(), rl.SchemaUrl())
	enc.SetScope(sl.Scope(), sl.SchemaUrl())
	b, _, err := enc.Append(nil, sl.LogRecords().At(0))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newEncoder(t testing.TB) *event.Encoder {
	t.Helper()
	enc, err := event.NewEncoder(event.DefaultMapping())
	if err != nil {
		t.Fatal(err)
	}
	return enc
}

// Decoding an event gives a record equal to the one that came in, and the event is
// in canonical form.
func TestRoundTrip(t *testing.T) {
	enc := newEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		logs := drawLogs(t)
		b := encode(t, enc, logs)
		var s event.Summary
		if err := event.Scan(b, &s); err != nil {
			t.Fatalf("Scan: %v\n%s", err, b)
		}
		canonical, err := jcs.Transform(b)
		if err != nil || !bytes.Equal(canonical, b) {
			t.Fatalf("not canonical: %v\n%s\n%s", err, b, canonical)
		}
		e, err := event.Parse(b)
		if err != nil {
			t.Fatalf("Parse: %v\n%s", err, b)
		}
		if again := e.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("Event.Append: %s\n%s", again, b)
		}
		again, err := e.Logs()
		if err != nil {
			t.Fatal(err)
		}
		if want, got := dump(logs), dump(again); got != want {
			t.Fatalf("came in:\n%s\ncame out:\n%s\nevent:\n%s", want, got, b)
		}
		if e.EventID == "" || e.Operation == "" || e.ResourceType == "" || e.ResourceID == "" {
			t.Fatalf("an empty member: %s", b)
		}
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
		var m event.Mapping
		for _, list := range []*[]string{
			&m.EventID, &m.Level, &m.Category, &m.Operation, &m.ActorType, &m.ActorID, &m.UserID, &m.AgentID, &m.SessionID, &m.Success, &m.ErrorType, &m.HTTPStatusCode,
			&m.ErrorMessage, &m.SourceIP, &m.UserAgent, &m.EventName,
		} {
			*list = names.Draw(t, "names")
		}
		for range rapid.IntRange(0, 2).Draw(t, "pairs") {
			m.Resources = append(m.Resources, event.ResourcePair{Type: rapid.SampledFrom(attributes).Draw(t, "type"), ID: rapid.SampledFrom(attributes).Draw(t, "id")})
		}
		for range rapid.IntRange(0, 2).Draw(t, "targets") {
			m.Targets = append(m.Targets, event.Target{Attribute: rapid.SampledFrom(attributes).Draw(t, "target"), Type: "thing"})
		}
		var record []byte
		for range rapid.IntRange(0, 6).Draw(t, "attributes") {
			value := textValue(words.Draw(t, "word"))
			if rapid.IntRange(0, 5).Draw(t, "kind") == 0 {
				value = drawValue(t, 3)
			}
			record = attribute(record, rapid.SampledFrom(attributes).Draw(t, "attribute"), value)
		}
		enc, err := event.NewEncoder(m)
		if err != nil {
			t.Fatal(err)
		}
		logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(bytesField(nil, 1, bytesField(nil, 2, bytesField(nil, 2, record))))
		if err != nil {
			t.Fatal(err)
		}
		b := encode(t, enc, logs)
		e, err := event.Parse(b)
		if err != nil {
			t.Fatalf("Parse: %v\n%s", err, b)
		}
		again, err := e.Logs()
		if err != nil {
			t.Fatal(err)
		}
		if want, got := dump(logs), dump(again); got != want {
			t.Fatalf("came in:\n%s\ncame out:\n%s\nevent:\n%s", want, got, b)
		}
	})
}

// What an encoder has written before makes no difference to what it writes.
func TestEncoderRemembersNothing(t *testing.T) {
	used := newEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		logs := drawLogs(t)
		r := recordIn(logs)
		// An id and a time of its own, so that two events of it are alike.
		r.SetTimestamp(max(r.Timestamp(), 1))
		r.Attributes().Remove("log.record.uid")
		for r.Attributes().Remove("audit.record.id") {
		}
		r.Attributes().PutStr("audit.record.id", "id")
		fresh, err := event.NewEncoder(event.DefaultMapping())
		if err != nil {
			t.Fatal(err)
		}
		if want, got := encode(t, fresh, logs), encode(t, used, logs); !bytes.Equal(got, want) {
			t.Fatalf("fresh encoder: %s\nused encoder: %s", want, got)
		}
	})
}

// Two different records are never written alike. Records that bear an id and a time
// are used, since others get one.
func TestEncodingIsInjective(t *testing.T) {
	enc := newEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		// Small alphabets, so that near collisions are drawn often.
		value := func(label string) []byte {
			switch rapid.IntRange(0, 9).Draw(t, label) {
			case 0:
				return bytesField(nil, 1, []byte("5"))
			case 1:
				return protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), 5)
			case 2:
				return protowire.AppendFixed64(protowire.AppendTag(nil, 4, protowire.Fixed64Type), math.Float64bits(5))
			case 3:
				return bytesField(nil, 7, []byte("5"))
			case 4:
				return bytesField(nil, 1, []byte("\xff"))
			case 5:
				return bytesField(nil, 7, []byte("\xff"))
			case 6:
				return bytesField(nil, 6, bytesField(nil, 1, bytesField(bytesField(nil, 1, []byte("$int")), 2, bytesField(nil, 1, []byte("5")))))
			case 7:
				return bytesField(nil, 6, bytesField(nil, 1, bytesField(bytesField(nil, 1, []byte("$bytes")), 2, bytesField(nil, 1, []byte("/w==")))))
			case 8:
				return bytesField(nil, 5, nil)
			default:
				return nil
			}
		}
		record := func(label string) plog.Logs {
			r := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 1)
			r = bytesField(r, 6, bytesField(bytesField(nil, 1, []byte("audit.record.id")), 2, bytesField(nil, 1, []byte("id"))))
			for i := range rapid.IntRange(0, 3).Draw(t, label) {
				key := rapid.SampledFrom([]string{"a", "$a", "\xff", "audit.outcome", "user.id"}).Draw(t, "key")
				r = bytesField(r, 6, bytesField(bytesField(nil, 1, []byte(key)), 2, value(fmt.Sprint(label, i))))
			}
			r = bytesField(r, 5, value(label))
			logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(bytesField(nil, 1, bytesField(nil, 2, bytesField(nil, 2, r))))
			if err != nil {
				t.Fatal(err)
			}
			return logs
		}
		a, b := record("a"), record("b")
		if dump(a) != dump(b) && bytes.Equal(encode(t, enc, a), encode(t, enc, b)) {
			t.Fatalf("different records\n%s\n%s\nhave the same event %s", dump(a), dump(b), encode(t, enc, a))
		}
	})
}
