// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventtest

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/protobuf/encoding/protowire"
)

// LoginRecord is a record as a service would send it: twelve attributes, a text
// body and a trace.
func LoginRecord() plog.LogRecord {
	r := plog.NewLogRecord()
	r.SetTimestamp(1_795_429_000_123_456_789)
	r.SetObservedTimestamp(1_795_429_000_223_456_789)
	r.SetSeverityNumber(plog.SeverityNumberInfo)
	r.SetSeverityText("INFO")
	r.SetEventName("user.login")
	r.Body().SetStr("user alice logged in from 192.0.2.17")
	r.SetTraceID(pcommon.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	r.SetSpanID(pcommon.SpanID{1, 2, 3, 4, 5, 6, 7, 8})
	a := r.Attributes()
	a.PutStr("audit.record.id", "0f8fad5b-d9cb-469f-a165-70867728950e")
	a.PutStr("audit.actor.type", "user")
	a.PutStr("audit.actor.id", "alice")
	a.PutStr("audit.action", "login")
	a.PutStr("audit.outcome", "success")
	a.PutStr("audit.target.type", "account")
	a.PutStr("audit.target.id", "alice@example.com")
	a.PutStr("client.address", "192.0.2.17")
	a.PutStr("session.id", "s-0123456789abcdef")
	a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
	a.PutInt("http.response.status_code", 200)
	a.PutStr("tenant", "acme")
	return r
}

// RecordOf makes a log record with these attributes; values are what AsRaw gives.
func RecordOf(t testing.TB, name string, attributes map[string]any) plog.Logs {
	t.Helper()
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "billing")
	r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetEventName(name)
	r.SetTimestamp(1_700_000_000_000_000_001)
	if err := r.Attributes().FromRaw(attributes); err != nil {
		t.Fatal(err)
	}
	return logs
}

func RecordIn(logs plog.Logs) plog.LogRecord {
	return logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
}

// Nest puts arrays and maps, by turns, around a text.
func Nest(v pcommon.Value, depth int) {
	for i := range depth {
		if i%2 == 0 {
			v = v.SetEmptySlice().AppendEmpty()
		} else {
			v = v.SetEmptyMap().PutEmpty("k")
		}
	}
	v.SetStr("bottom")
}

// Unmarshal makes a record of its wire form.
func Unmarshal(t testing.TB, record []byte) plog.Logs {
	t.Helper()
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(BytesField(nil, 1, BytesField(nil, 2, BytesField(nil, 2, record))))
	if err != nil {
		t.Fatal(err)
	}
	return logs
}

func Attribute(record []byte, key string, value []byte) []byte {
	return BytesField(record, 6, BytesField(BytesField(nil, 1, []byte(key)), 2, value))
}

func TextValue(s string) []byte { return BytesField(nil, 1, []byte(s)) }

func IntValue(n int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), uint64(n))
}
