// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// loginRecord is a record as a service would send it: twelve attributes, a text
// body and a trace.
func loginRecord() plog.LogRecord {
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

func shopEncoder(t testing.TB, m event.Mapping) *event.Encoder {
	e, err := event.NewEncoder(m)
	require.NoError(t, err)
	res := pcommon.NewResource()
	res.Attributes().PutStr("service.name", "shop")
	e.SetResource(res, "")
	scope := pcommon.NewInstrumentationScope()
	scope.SetName("shop/auth")
	e.SetScope(scope, "")
	return e
}

func benchmarkAppend(b *testing.B, records ...plog.LogRecord) {
	e := shopEncoder(b, event.DefaultMapping())
	buf := make([]byte, 0, 1<<16)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		out, _, err := e.Append(buf, records[i%len(records)])
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(out)))
	}
}

func BenchmarkAppend(b *testing.B) {
	b.Run("12 attributes", func(b *testing.B) { benchmarkAppend(b, loginRecord()) })
	b.Run("12 attributes, no id", func(b *testing.B) {
		r := loginRecord()
		r.Attributes().Remove("audit.record.id")
		benchmarkAppend(b, r)
	})
	b.Run("structured body", func(b *testing.B) {
		r := loginRecord()
		m := r.Body().SetEmptyMap()
		for i := range 10 {
			m.PutStr(fmt.Sprintf("field%02d", 9-i), "value")
		}
		m.PutEmptyMap("nested").PutDouble("d", 1.5)
		benchmarkAppend(b, r)
	})
	b.Run("40 shapes", func(b *testing.B) {
		var all []plog.LogRecord
		for i := range 40 {
			r := loginRecord()
			r.Attributes().PutStr(fmt.Sprintf("attribute.%d", i), "x")
			all = append(all, r)
		}
		benchmarkAppend(b, all...)
	})
}

func BenchmarkScan(b *testing.B) {
	e := shopEncoder(b, event.DefaultMapping())
	canonical, _, err := e.Append(nil, loginRecord())
	require.NoError(b, err)
	b.SetBytes(int64(len(canonical)))
	b.ReportAllocs()
	var s event.Summary
	for b.Loop() {
		if err := event.Scan(canonical, &s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScanner scans events of a service whose users come and go: of each, some
// seven members differ from the one before.
func BenchmarkScanner(b *testing.B) {
	e := shopEncoder(b, event.DefaultMapping())
	var events [][]byte
	bytes := 0
	for i := range 500 {
		r := loginRecord()
		r.SetTimestamp(r.Timestamp() + pcommon.Timestamp(i)*1_234_567)
		r.SetObservedTimestamp(r.Timestamp() + 100_000)
		a := r.Attributes()
		a.PutStr("audit.record.id", fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012d", i))
		a.PutStr("audit.actor.id", fmt.Sprintf("user-%d", i*7919%5000))
		a.PutStr("session.id", fmt.Sprintf("s-%016x", i*104729))
		a.PutStr("client.address", fmt.Sprintf("198.51.%d.%d", i%7, i*31%256))
		r.SetSpanID(pcommon.SpanID{1, 2, 3, byte(i), byte(i >> 8)})
		canonical, _, err := e.Append(nil, r)
		require.NoError(b, err)
		events = append(events, canonical)
		bytes += len(canonical)
	}
	b.SetBytes(int64(bytes / len(events)))
	b.ReportAllocs()
	var c event.Scanner
	var s event.Summary
	for i := 0; b.Loop(); i++ {
		if err := c.Scan(events[i%len(events)], &s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	e := shopEncoder(b, event.DefaultMapping())
	canonical, _, err := e.Append(nil, loginRecord())
	require.NoError(b, err)
	b.SetBytes(int64(len(canonical)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Parse(canonical); err != nil {
			b.Fatal(err)
		}
	}
}
