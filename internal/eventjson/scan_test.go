// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventjson_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	rfc8785 "github.com/gowebpki/jcs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
)

func TestScanAndParseRefuse(t *testing.T) {
	replace := func(old, with string) string {
		s := strings.Replace(eventtest.Minimal, old, with, 1)
		require.NotEqual(t, eventtest.Minimal, s, "%q does not occur", old)
		return s
	}
	metadata := func(with string) string { return replace(`"metadata":{}`, `"metadata":{"k":`+with+`}`) }
	for name, in := range map[string]string{
		"empty": "", "null": "null", "array": "[]", "cut": eventtest.Minimal[:len(eventtest.Minimal)-1], "trailing": eventtest.Minimal + " ", "two": eventtest.Minimal + eventtest.Minimal,
		"white space": replace(`:{}`, `: {}`), "no id": replace(`"event_id":"e",`, ""), "empty id": replace(`"event_id":"e"`, `"event_id":""`),
		"id of another type": replace(`"event_id":"e"`, `"event_id":5`), "duplicate member": replace(`"event_id":"e"`, `"event_id":"e","event_id":"f"`),
		"out of order":   replace(`"category":"system_health","event_id":"e"`, `"event_id":"e","category":"system_health"`),
		"unknown member": replace(`"event_id":"e"`, `"event_id":"e","extra":1`), "unknown level": replace(`"info"`, `"Info"`), "unknown category": replace(`system_health`, `health`),
		"success as a word": replace(`null`, `"null"`), "short time": replace(".000000000Z", "Z"), "time zone": replace(".000000000Z", ".000000000+00:00"), "13th month": replace("2026-11", "2026-13"),
		"escaped slash": replace(`"o"`, `"\/"`), "escaped letter": replace(`"o"`, `"\u006f"`), "long escape for LF": replace(`"o"`, `"\u000a"`), "upper-case escape": replace(`"o"`, `"\u001F"`),
		"raw control": replace(`"o"`, "\"\x01\""), "not UTF-8": replace(`"o"`, "\"\xff\""), "surrogate": replace(`"o"`, "\"\xed\xa0\x80\""),
		"number 1.0": metadata("1.0"), "number 01": metadata("01"), "number -0": metadata("-0"), "number +1": metadata("+1"), "number 1E5": metadata("1E5"), "number 1e5": metadata("1e5"),
		"number .5": metadata(".5"), "number 1.": metadata("1."), "number NaN": metadata("NaN"), "huge number": metadata("1e999"), "big integer": metadata("9007199254740992"), "minus": metadata("-"),
		"needless $int": metadata(`{"$int":"5"}`), "$int with sign": metadata(`{"$int":"+9223372036854775807"}`), "$int too big": metadata(`{"$int":"9223372036854775808"}`), "$int as number": metadata(`{"$int":5}`),
		"needless $double": metadata(`{"$double":"0.5"}`), "$double 5.0": metadata(`{"$double":"5.0"}`), "$double nan": metadata(`{"$double":"nan"}`), "$double Inf": metadata(`{"$double":"Inf"}`),
		"$double NaN with Go's bits": metadata(`{"$double":"NaN(0x7ff8000000000001)"}`), "$double hex": metadata(`{"$double":"0x1p4"}`), "$double 1_0": metadata(`{"$double":"1_0"}`),
		"$bytes with stray bits": metadata(`{"$bytes":"/x=="}`), "$bytes without padding": metadata(`{"$bytes":"/w"}`), "needless $string": metadata(`{"$bytes":"YQ==","$string":true}`),
		"$string false": metadata(`{"$bytes":"/w==","$string":false}`), "tag with company": metadata(`{"$int":"9223372036854775807","a":1}`), "unknown tag": metadata(`{"$x":1}`),
		"empty $more": metadata(`{"$more":[]}`), "needless $more": metadata(`{"$more":[["a",1]]}`), "$more of one": metadata(`{"$more":[["a"]]}`), "$json too soon": metadata(`{"$json":"e30="}`),
		"empty resource": replace(`"resource_id"`, `"resource":{},"resource_id"`), "zero flags": replace(`"level"`, `"flags":0,"level"`), "zero span": replace(`"success"`, `"span_id":"0000000000000000","success"`),
		"null body": replace(`"category"`, `"body":null,"category"`), "deep": metadata(strings.Repeat("[", 200) + strings.Repeat("]", 200)), "very deep": metadata(strings.Repeat("[", 1_000_000)),
	} {
		e, err := event.Parse([]byte(in))
		assert.Error(t, err, "%s: parsed as %+v", name, e)
	}
	_, err := event.Parse([]byte(eventtest.Minimal))
	assert.NoError(t, err)
}

// The numbers of RFC 8785, appendix B, and how they are written here.
func TestNumbers(t *testing.T) {
	for bits, want := range map[uint64]string{
		0x0000000000000000: "0", 0x8000000000000000: "-0", 0x0000000000000001: "5e-324", 0x8000000000000001: "-5e-324", 0x7fefffffffffffff: "1.7976931348623157e+308",
		0xffefffffffffffff: "-1.7976931348623157e+308", 0x4340000000000000: "9007199254740992", 0xc340000000000000: "-9007199254740992", 0x4430000000000000: "295147905179352830000",
		0x44b52d02c7e14af5: "9.999999999999997e+22", 0x44b52d02c7e14af6: "1e+23", 0x44b52d02c7e14af7: "1.0000000000000001e+23", 0x444b1ae4d6e2ef4e: "999999999999999700000",
		0x444b1ae4d6e2ef4f: "999999999999999900000", 0x444b1ae4d6e2ef50: "1e+21", 0x3eb0c6f7a0b5ed8c: "9.999999999999997e-7", 0x3eb0c6f7a0b5ed8d: "0.000001", 0x41b3de4355555553: "333333333.3333332",
		0x41b3de4355555554: "333333333.33333325", 0x41b3de4355555555: "333333333.3333333", 0x41b3de4355555556: "333333333.3333334", 0x41b3de4355555557: "333333333.33333343",
		0xbecbf647612f3696: "-0.0000033333333333333333", 0x43143ff3c1cb0959: "1424953923781206.2", 0x7ff0000000000000: "Infinity", 0xfff0000000000000: "-Infinity", 0x7ff8000000000001: "NaN",
		0x7ff8000000000000: "NaN(0x7ff8000000000000)",
	} {
		logs := eventtest.RecordOf(t, "", nil)
		logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetDouble(math.Float64frombits(bits))
		b := eventtest.Encode(t, eventtest.NewEncoder(t), logs)
		if !strings.ContainsAny(want, ".e") || strings.HasPrefix(want, "-I") {
			want = `{"$double":"` + want + `"}`
		}
		assert.True(t, bytes.HasPrefix(b, []byte(`{"body":`+want+`,"category"`)), "%016x is written %.60s, want %s", bits, b, want)
	}
}

// Records that are out of the ordinary land whole.
func TestExtremeRecords(t *testing.T) {
	record := func(change func(plog.LogRecord)) plog.Logs {
		logs := eventtest.RecordOf(t, "", nil)
		change(logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0))
		return logs
	}
	deep := func(depth int) plog.Logs {
		return record(func(r plog.LogRecord) {
			v := r.Body()
			for i := range depth {
				if i%2 == 0 {
					v = v.SetEmptySlice().AppendEmpty()
				} else {
					v = v.SetEmptyMap().PutEmpty("k")
				}
			}
			v.SetStr("bottom")
		})
	}
	for name, logs := range map[string]plog.Logs{
		"10 MB body": record(func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("\x01\u20ac\"x", 2<<20)) }),
		"10,000 attributes": record(func(r plog.LogRecord) {
			for i := range 10_000 {
				r.Attributes().PutInt(fmt.Sprint("k", i), int64(i))
			}
		}),
		"depth 99": deep(99), "depth 100": deep(100), "depth 101": deep(101), "depth 1,000": deep(1000),
		"attributes called as our members": record(func(r plog.LogRecord) {
			for _, k := range []string{"event_id", "log", "metadata", "mapped_from", "timestamp", "success"} {
				r.Attributes().PutStr(k, "x")
			}
		}),
	} {
		e, err := event.Parse(eventtest.Encode(t, eventtest.NewEncoder(t), logs))
		require.NoError(t, err)
		assert.Nil(t, e.Log, "%s: a record became an event of the log's own", name)
	}
}

// A client that sends what the log's own events look like does not get one.
func TestOwnEventsCannotBeForged(t *testing.T) {
	own := ownevent.AppendOwn(nil, ownevent.Own{ID: "i", Time: time.Unix(1, 2), Origin: "o", Level: event.LevelInfo, Action: "pruned", Detail: []byte(`{"action":"pruned"}`)})
	var s eventjson.Summary
	err := eventjson.Scan(own, &s)
	require.NoError(t, err, "%v, %s", err, own)
	require.Equal(t, `{"action":"pruned"}`, string(s.Log), "%v, %s", err, own)
	canonical, err := rfc8785.Transform(own)
	assert.NoError(t, err, "not canonical")
	assert.Equal(t, own, canonical, "not canonical")
	e, err := event.Parse(own)
	require.NoError(t, err)
	logs, err := mapping.Logs(e)
	require.NoError(t, err)
	again := eventtest.Encode(t, eventtest.NewEncoder(t), logs)
	err = eventjson.Scan(again, &s)
	assert.NoError(t, err, "%v, %s", err, again)
	assert.Nil(t, s.Log, "%v, %s", err, again)
}

// A scanner that remembers events finds of the next what one that does not finds.
func TestScannerAgreesWithScan(t *testing.T) {
	all := eventtest.Vectors(t)
	for i, v := range all {
		in := []byte(v.Event)
		if len(in) > 1500 {
			continue
		}
		var c eventjson.Scanner
		sameScan(t, &c, []byte(all[(i+1)%len(all)].Event))
		for at := range in {
			sameScan(t, &c, []byte(v.Event))
			sameScan(t, &c, in[:at])
			for _, b := range []byte{in[at] ^ 1, '"', '\\', ',', '}', '0', 'Z', 0xff} {
				was := in[at]
				in[at] = b
				sameScan(t, &c, in)
				in[at] = was
			}
			sameScan(t, &c, slices.Concat(in[:at], []byte{'0'}, in[at:]))
		}
	}
}

func sameScan(t *testing.T, c *eventjson.Scanner, in []byte) {
	t.Helper()
	var got, want eventjson.Summary
	gotErr, wantErr := c.Scan(in, &got), eventjson.Scan(in, &want)
	if gotErr == nil && wantErr == nil {
		assert.Equal(t, want, got, in)
	} else if gotErr == nil || wantErr == nil || gotErr.Error() != wantErr.Error() {
		t.Errorf("%s: %v, want %v", in, gotErr, wantErr)
	}
}

// Events that are alike take no memory to scan, and no two are confused.
func TestScannerOfManyEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c eventjson.Scanner
		word := rapid.SampledFrom([]string{"a", "ab", "b", "\"", "\\\"", "é", "a\nb"})
		now := rapid.Uint64().Draw(t, "time")
		for range 20 {
			var members []string
			for _, name := range []string{"event_id", "user_id", "agent_id", "session_id", "operation"} {
				members = append(members, `"`+name+`":`+string(jcs.AppendString(nil, word.Draw(t, name))))
			}
			at := rapid.SampledFrom([]uint64{now, now + 1, math.MaxUint64, rapid.Uint64().Draw(t, "another time")}).Draw(t, "timestamp")
			members = append(members, `"timestamp":`+string(timestamp.Append(nil, at)))
			if observed := rapid.SampledFrom([]uint64{0, 1, at, at + 1, math.MaxUint64}).Draw(t, "observed"); observed != 0 {
				members = append(members, `"observed_timestamp":`+string(timestamp.Append(nil, observed)))
			}
			members = append(members,
				`"success":`+rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "success"),
				`"level":"`+string(rapid.SampledFrom(event.Levels()).Draw(t, "level"))+`"`)
			if ingress := rapid.SampledFrom([]string{"", `{}`, `{"result":"unsigned"}`, `{"result":"verified"}`}).Draw(t, "ingress"); ingress != "" {
				members = append(members, `"ingress":`+ingress)
			}
			in := []byte(eventtest.With(members...))
			var got, want eventjson.Summary
			require.NoError(t, c.Scan(in, &got), in)
			require.NoError(t, eventjson.Scan(in, &want), in)
			require.Equal(t, want, got, in)
		}
	})
}
