// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
)

// reference makes the canonical form the way the collector's signing processor does: by
// encoding/json, and the same library for RFC 8785.
func reference(r plog.LogRecord) ([]byte, error) {
	o := map[string]any{}
	attributes := map[string]any{}
	for k, v := range r.Attributes().All() {
		if !strings.HasPrefix(k, "audit.integrity.") {
			attributes[k] = typed(v)
		}
	}
	if len(attributes) > 0 {
		o["attributes"] = attributes
	}
	if r.Body().Type() != pcommon.ValueTypeEmpty {
		o["body"] = typed(r.Body())
	}
	if r.EventName() != "" {
		o["event_name"] = r.EventName()
	}
	for name, at := range map[string]pcommon.Timestamp{"timestamp": r.Timestamp(), "observed_timestamp": r.ObservedTimestamp()} {
		if at != 0 {
			o[name] = strconv.FormatInt(at.AsTime().UnixNano(), 10)
		}
	}
	if id := r.TraceID(); !id.IsEmpty() {
		o["trace_id"] = id.String()
	}
	if id := r.SpanID(); !id.IsEmpty() {
		o["span_id"] = id.String()
	}
	b, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(b)
}

func typed(v pcommon.Value) any {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return map[string]any{"stringValue": v.Str()}
	case pcommon.ValueTypeInt:
		return map[string]any{"intValue": strconv.FormatInt(v.Int(), 10)}
	case pcommon.ValueTypeDouble:
		return map[string]any{"doubleValue": v.Double()}
	case pcommon.ValueTypeBool:
		return map[string]any{"boolValue": v.Bool()}
	case pcommon.ValueTypeBytes:
		return map[string]any{"bytesValue": base64.StdEncoding.EncodeToString(v.Bytes().AsRaw())}
	case pcommon.ValueTypeSlice:
		all := []any{}
		for _, one := range v.Slice().All() {
			all = append(all, typed(one))
		}
		return all
	case pcommon.ValueTypeMap:
		all := map[string]any{}
		for k, one := range v.Map().All() {
			all[k] = typed(one)
		}
		return all
	default:
		return nil
	}
}

func drawValue(t *rapid.T, v pcommon.Value, depth int) {
	most := 7
	if depth == 0 {
		most = 5
	}
	switch rapid.IntRange(0, most).Draw(t, "kind") {
	case 0:
		v.SetStr(rapid.String().Draw(t, "text"))
	case 1:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case 2:
		v.SetDouble(rapid.Float64().Draw(t, "double"))
	case 3:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case 4:
		v.SetEmptyBytes().FromRaw(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case 5: // empty
	case 6:
		s := v.SetEmptySlice()
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			drawValue(t, s.AppendEmpty(), depth-1)
		}
	case 7:
		drawMap(t, v.SetEmptyMap(), depth-1)
	}
}

func drawMap(t *rapid.T, m pcommon.Map, depth int) {
	for range rapid.IntRange(0, 4).Draw(t, "entries") {
		drawValue(t, m.PutEmpty(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"audit.integrity.value", "a", "b", "\U0001F600", "\uFB33"})).Draw(t, "key")), depth)
	}
}

func TestFormIsThatOfTheReference(t *testing.T) {
	form := new(ingress.Form)
	rapid.Check(t, func(t *rapid.T) {
		r := plog.NewLogRecord()
		r.SetTimestamp(pcommon.Timestamp(rapid.Uint64().Draw(t, "time")))
		r.SetObservedTimestamp(pcommon.Timestamp(rapid.Uint64().Draw(t, "observed")))
		r.SetEventName(rapid.String().Draw(t, "name"))
		drawValue(t, r.Body(), 3)
		drawMap(t, r.Attributes(), 3)
		r.SetTraceID(pcommon.TraceID(rapid.SampledFrom([][16]byte{{}, {1, 255}}).Draw(t, "trace")))
		r.SetSpanID(pcommon.SpanID(rapid.SampledFrom([][8]byte{{}, {0, 0, 1}}).Draw(t, "span")))
		want, err := reference(r)
		require.NoError(t, err)
		got, err := form.Append([]byte("before"), r)
		require.NoError(t, err)
		require.Equal(t, "before"+string(want), string(got))
	})
}

func nested(levels int) pcommon.Value {
	v := pcommon.NewValueSlice()
	inner := v
	for range levels {
		next := inner.Slice().AppendEmpty()
		next.SetEmptySlice()
		inner = next
	}
	return v
}

func manyKeys(t testing.TB, n int) pcommon.Map {
	t.Helper()
	all := map[string]any{}
	for i := range n {
		all[strconv.FormatInt(int64(i), 36)] = nil
	}
	m := pcommon.NewMap()
	require.NoError(t, m.FromRaw(all))
	return m
}

// A record of millions of keys is not sorted first and found to be too large then, nor
// does it leave its memory with the form.
func TestFormOfARecordOfManyKeys(t *testing.T) {
	for name, keys := range map[string]int{"a form": 100_000, "no form": 1_000_000} {
		r := plog.NewLogRecord()
		manyKeys(t, keys).CopyTo(r.Attributes())
		memory := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		f := new(ingress.Form)
		before := memory()
		_, err := f.Append(nil, r)
		assert.Equal(t, name == "a form", err == nil, "%v", err)
		assert.Less(t, memory(), before+1<<20, "%s: bytes of heap", name)
		runtime.KeepAlive(f)
		runtime.KeepAlive(r)
	}
}

func TestRecordsWithoutForm(t *testing.T) {
	for name, one := range map[string]struct {
		reason ingress.Reason
		set    func(plog.LogRecord)
	}{
		"a body that is not UTF-8":        {ingress.ReasonNotUTF8, func(r plog.LogRecord) { r.Body().SetStr("\xff") }},
		"a key that is not UTF-8":         {ingress.ReasonNotUTF8, func(r plog.LogRecord) { r.Attributes().PutStr("k\xff", "v") }},
		"a nested key that is not UTF-8":  {ingress.ReasonNotUTF8, func(r plog.LogRecord) { r.Body().SetEmptyMap().PutStr("\xed\xa0\x80", "v") }},
		"an event name that is not UTF-8": {ingress.ReasonNotUTF8, func(r plog.LogRecord) { r.SetEventName("\xff") }},
		"NaN":                             {ingress.ReasonNotFinite, func(r plog.LogRecord) { r.Body().SetDouble(math.NaN()) }},
		"infinity":                        {ingress.ReasonNotFinite, func(r plog.LogRecord) { r.Attributes().PutDouble("x", math.Inf(-1)) }},
		"129 levels in an attribute":      {ingress.ReasonTooDeep, func(r plog.LogRecord) { nested(129).CopyTo(r.Attributes().PutEmpty("x")) }},
		"129 levels in the body":          {ingress.ReasonTooDeep, func(r plog.LogRecord) { nested(129).CopyTo(r.Body()) }},
		"2 MiB of text":                   {ingress.ReasonTooLarge, func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("x", 2<<20)) }},
		"2 MiB of bytes":                  {ingress.ReasonTooLarge, func(r plog.LogRecord) { r.Body().SetEmptyBytes().FromRaw(make([]byte, 2<<20)) }},
		"2 MiB of nothing": {ingress.ReasonTooLarge, func(r plog.LogRecord) {
			s := r.Body().SetEmptySlice()
			for range 1 << 19 {
				s.AppendEmpty()
			}
		}},
		"2 MiB of keys": {ingress.ReasonTooLarge, func(r plog.LogRecord) { manyKeys(t, 1<<18+1).CopyTo(r.Attributes()) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := plog.NewLogRecord()
			one.set(r)
			got, err := new(ingress.Form).Append([]byte("before"), r)
			var none *ingress.FormError
			require.True(t, errors.As(err, &none), "%v", err)
			assert.Equal(t, one.reason, none.Reason)
			assert.Equal(t, "before", string(got))
		})
	}
	for name, v := range map[string]pcommon.Value{"128 levels": nested(128), "no level": nested(0)} {
		r := plog.NewLogRecord()
		v.CopyTo(r.Attributes().PutEmpty("x"))
		_, err := new(ingress.Form).Append(nil, r)
		assert.NoError(t, err, name)
	}
}

// A form that failed leaves nothing behind for the next record.
func TestFormAfterFailure(t *testing.T) {
	bad, good := plog.NewLogRecord(), plog.NewLogRecord()
	bad.Attributes().PutEmptyMap("a").PutEmptyMap("b").PutDouble("c", math.NaN())
	good.Attributes().PutEmptyMap("a").PutStr("b", "c")
	f := new(ingress.Form)
	_, err := f.Append(nil, bad)
	require.Error(t, err)
	got, err := f.Append(nil, good)
	require.NoError(t, err)
	assert.Equal(t, `{"attributes":{"a":{"b":{"stringValue":"c"}}}}`, string(got))
}

func BenchmarkForm(b *testing.B) {
	var f ingress.Form
	logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(vectors(b)[0].Logs)
	require.NoError(b, err)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		if buf, err = f.Append(buf[:0], firstRecord(logs)); err != nil {
			b.Fatal(err)
		}
	}
}
