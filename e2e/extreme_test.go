// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

// What is odd in a record keeps neither it nor the others of its batch out of the log.
func TestExtremeRecords(t *testing.T) {
	w := newWatched(t, "")
	p := w.start(t)
	c := w.newClient(t, newAccount(), "client", 1, 1)
	extremes := map[string]func(r plog.LogRecord){
		"nothing at all": func(plog.LogRecord) {},
		"numbers that JSON has not": func(r plog.LogRecord) {
			r.Body().SetDouble(math.NaN())
			r.Attributes().PutDouble("inf", math.Inf(-1))
			r.Attributes().PutInt("min", math.MinInt64)
		},
		"bytes that are no UTF-8": func(r plog.LogRecord) {
			r.Body().SetStr("a\xff\xfe\xed\xa0\x80z")
			r.SetEventName("\xc3\x28")
			r.Attributes().PutStr("\xf0\x28\x8c\x28", "\x00\x01\u2028\x1b[2J")
		},
		"10 MB":             func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("x", 10_000_000)) },
		"10,000 attributes": func(r plog.LogRecord) { manyAttributes(r.Attributes(), 10_000) },
		"1,000 levels":      func(r plog.LogRecord) { nest(r.Body(), 1000) },
		"no time":           func(r plog.LogRecord) { r.SetTimestamp(0); r.SetObservedTimestamp(0) },
		"last time":         func(r plog.LogRecord) { r.SetTimestamp(math.MaxUint64); r.SetObservedTimestamp(math.MaxUint64) },
		"an odd severity": func(r plog.LogRecord) {
			r.SetSeverityNumber(plog.SeverityNumber(99))
			r.SetSeverityText(strings.Repeat("s", 100_000))
		},
	}
	sent := 0
	for name, make := range extremes {
		logs := request(10, "good before "+name)
		records := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		r := records.AppendEmpty()
		make(r)
		request(10, "good after "+name).ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).CopyTo(records.AppendEmpty())
		_, err := c.export.Export(t.Context(), plogotlp.NewExportRequestFromLogs(logs))
		if assert.NoError(t, err, name) {
			sent += 3
		}
	}
	p.stop(t)
	code, report := runVerify(t, w.log, "--key", w.public)
	require.Zero(t, code, "%+v", report)
	assert.EqualValues(t, sent, report.TotalEvents-report.OwnEvents)
	assert.Equal(t, report.TotalEvents, report.VerifiedEvents)
}

func manyAttributes(m pcommon.Map, n int) {
	m.EnsureCapacity(n)
	for i := range n {
		m.PutInt(fmt.Sprint("key-", i), int64(i))
	}
}

// nest makes a value of lists within lists.
func nest(v pcommon.Value, depth int) {
	for range depth {
		v = v.SetEmptySlice().AppendEmpty()
	}
	v.SetStr("deep")
}
