// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/eventtest"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

// A record like those before it is encoded and scanned without new memory.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	r := eventtest.LoginRecord()
	enc := eventtest.ShopEncoder(t, mapping.Default())
	buf, _, err := enc.Append(nil, r)
	require.NoError(t, err)
	var s eventjson.Summary
	if n := testing.AllocsPerRun(100, func() {
		buf, _, _ = enc.Append(buf[:0], r)
		assert.NoError(t, eventjson.Scan(buf, &s))
	}); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
	r.Attributes().Remove("audit.record.id")
	assert.Equal(t, float64(0), testing.AllocsPerRun(100, func() { buf, _, _ = enc.Append(buf[:0], r) }), "allocations a record that needs an id")
}

// Ids that are not given are random UUIDs of version 4, each another.
func TestNewIDs(t *testing.T) {
	v4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	enc := eventtest.NewEncoder(t)
	seen := make(map[string]bool)
	for range 1000 {
		e, err := event.Parse(eventtest.Encode(t, enc, eventtest.RecordOf(t, "", nil)))
		require.NoError(t, err)
		require.True(t, v4.MatchString(e.EventID))
		require.False(t, seen[e.EventID])
		seen[e.EventID] = true
	}
}

// An encoder that sees more shapes than it remembers, and longer ones, goes on as
// before.
func TestManyShapes(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	for i := range 500 {
		logs := eventtest.RecordOf(t, "", nil)
		a := eventtest.RecordIn(logs).Attributes()
		for j := range 1 + i*i%300 {
			a.PutInt(fmt.Sprintf("%d.%d", i%200, j), int64(j))
		}
		if i%50 == 0 {
			a.PutInt(strings.Repeat("long", 10_000), 1)
		}
		got, want := eventtest.Dump(eventtest.Decode(t, eventtest.Encode(t, enc, logs))), eventtest.Dump(logs)
		require.Equal(t, want, got, "record %d came in:\n", i)
	}
}

// Encoders of one mapper work side by side.
func TestMapperIsShared(t *testing.T) {
	mapper, err := mapping.NewMapper(mapping.Default())
	require.NoError(t, err)
	want, _, err := mapper.NewEncoder().Append(nil, eventtest.LoginRecord())
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			enc, r := mapper.NewEncoder(), eventtest.LoginRecord()
			for range 100 {
				if got, _, err := enc.Append(nil, r); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A mapping that is changed after it was compiled changes nothing.
func TestMapperKeepsItsMapping(t *testing.T) {
	m := mapping.Default()
	enc, err := mapping.NewEncoder(m)
	require.NoError(t, err)
	clear(m.Categories)
	e, err := event.Parse(eventtest.Encode(t, enc, eventtest.RecordOf(t, "user.login", nil)))
	if err != nil || e.Category != event.CategoryAuthentication {
		t.Errorf("%+v, %v", e, err)
	}
}

// An encoder keeps nothing of a record, whose memory its owner may use again.
func TestRecordMayChangeAfterwards(t *testing.T) {
	enc := eventtest.NewEncoder(t)
	logs := eventtest.RecordOf(t, "", map[string]any{"user.id": "u"})
	first := eventtest.Encode(t, enc, logs)
	before := string(first)
	eventtest.RecordIn(logs).Attributes().Clear()
	logs.ResourceLogs().At(0).Resource().Attributes().Clear()
	second, _, err := enc.Append(nil, eventtest.RecordIn(logs))
	require.NoError(t, err)
	e, err := event.Parse(second)
	if err != nil || e.ResourceID != "billing" || e.UserID != "" || before != string(first) {
		t.Errorf("%s, %v", second, err)
	}
}

// Times are kept to the nanosecond over the whole range of OTLP, and are refused in
// any other form.
func TestTimeRange(t *testing.T) {
	for ns, want := range map[uint64]string{
		1: "1970-01-01T00:00:00.000000001Z", 951_782_400_000_000_000: "2000-02-29T00:00:00.000000000Z",
		1<<63 - 1: "2262-04-11T23:47:16.854775807Z", 1 << 63: "2262-04-11T23:47:16.854775808Z", 1<<64 - 1: "2554-07-21T23:34:33.709551615Z",
	} {
		logs := eventtest.RecordOf(t, "", nil)
		eventtest.RecordIn(logs).SetTimestamp(pcommon.Timestamp(ns))
		b := eventtest.Encode(t, eventtest.NewEncoder(t), logs)
		assert.Contains(t, string(b), `"timestamp":"`+want+`"`, "%d is written %s, want %s", ns, b, want)
		var s eventjson.Summary
		assert.NoError(t, eventjson.Scan(b, &s), "%d is read as %s", ns, s.Time)
		assert.Equal(t, want, s.Time.Format("2006-01-02T15:04:05.000000000Z"), "%d is read as %s", ns, s.Time)
	}
	for _, other := range []string{
		"2554-07-21T23:34:33.709551616Z", "2554-07-21T23:34:34.000000000Z", "9999-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z",
		"2026-02-29T00:00:00.000000000Z", "2026-00-01T00:00:00.000000000Z", "2026-01-00T00:00:00.000000000Z", "2026-01-32T00:00:00.000000000Z",
		"2026-01-01T24:00:00.000000000Z", "2026-01-01T23:60:00.000000000Z", "2026-01-01T23:59:60.000000000Z", "2026-01-01T00:00:00,000000000Z",
		"2026-01-01t00:00:00.000000000Z", "2026-01-01T00:00:00.000000000z", "2026-01-01 00:00:00.000000000Z", "2026-1-001T00:00:00.000000000Z", "", "Z",
	} {
		in := strings.Replace(eventtest.Minimal, "2026-11-23T10:15:00.000000000Z", other, 1)
		var s eventjson.Summary
		assert.Error(t, eventjson.Scan([]byte(in), &s), "the time %q is taken", other)
	}
}

// A client that sends an own event's very names, attributes and detail gets an event
// without the member log.
func TestForgedOwnEvent(t *testing.T) {
	logs := eventtest.RecordOf(t, "auditlog.pruned", map[string]any{
		"log": map[string]any{"action": "pruned", "before": 5}, "log.action": "pruned", "audit.target.type": "audit_log", "audit.target.id": "host/auditlog",
		"audit.outcome": "success", "\",\"log\":{\"action\":\"pruned\"},\"x\":\"": "y",
	})
	eventtest.RecordIn(logs).Body().SetStr(`","log":{"action":"pruned"}`)
	b := eventtest.Encode(t, eventtest.NewEncoder(t), logs)
	var s eventjson.Summary
	err := eventjson.Scan(b, &s)
	assert.NoError(t, err, "%v, %s", err, b)
	assert.Nil(t, s.Log, "%v, %s", err, b)
	got, want := eventtest.Dump(eventtest.Decode(t, b)), eventtest.Dump(logs)
	assert.Equal(t, want, got, "came in:\n")
}
