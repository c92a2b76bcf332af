// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

func benchmarkAppend(b *testing.B, records ...plog.LogRecord) {
	e := eventtest.ShopEncoder(b, mapping.Default())
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
	b.Run("12 attributes", func(b *testing.B) { benchmarkAppend(b, eventtest.LoginRecord()) })
	b.Run("12 attributes, no id", func(b *testing.B) {
		r := eventtest.LoginRecord()
		r.Attributes().Remove("audit.record.id")
		benchmarkAppend(b, r)
	})
	b.Run("structured body", func(b *testing.B) {
		r := eventtest.LoginRecord()
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
			r := eventtest.LoginRecord()
			r.Attributes().PutStr(fmt.Sprintf("attribute.%d", i), "x")
			all = append(all, r)
		}
		benchmarkAppend(b, all...)
	})
}
