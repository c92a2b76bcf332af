// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventjson_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

func BenchmarkScan(b *testing.B) {
	e := eventtest.ShopEncoder(b, mapping.Default())
	canonical, _, err := e.Append(nil, eventtest.LoginRecord())
	require.NoError(b, err)
	b.SetBytes(int64(len(canonical)))
	b.ReportAllocs()
	var s eventjson.Summary
	for b.Loop() {
		if err := eventjson.Scan(canonical, &s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScanner scans events of a service whose users come and go: of each, some
// seven members differ from the one before.
func BenchmarkScanner(b *testing.B) {
	e := eventtest.ShopEncoder(b, mapping.Default())
	var events [][]byte
	bytes := 0
	for i := range 500 {
		r := eventtest.LoginRecord()
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
	var c eventjson.Scanner
	var s eventjson.Summary
	for i := 0; b.Loop(); i++ {
		if err := c.Scan(events[i%len(events)], &s); err != nil {
			b.Fatal(err)
		}
	}
}
