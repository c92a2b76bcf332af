// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/metadatatest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

// said is what an event of the log's own says of a refused record.
type said struct {
	Count   uint64
	EventID string `json:"event_id"`
	Reason  string
	Record  string
	SHA256  string
}

// refusedIn returns what the log says of refused records.
func refusedIn(t testing.TB, c *auditlogexporter.Config) (all []said) {
	t.Helper()
	for _, e := range everything(t, c) {
		var log struct {
			Action  string
			Refused said
		}
		if e.Log == nil {
			continue
		}
		require.NoError(t, json.Unmarshal(e.Log, &log))
		if log.Action == "refused" || log.Action == "refused_suppressed" {
			assert.Equal(t, event.LevelWarning, e.Level)
			all = append(all, log.Refused)
		}
	}
	return all
}

func strict(c *auditlogexporter.Config) { c.Mapping.Strict = true }

// nest gives a record a value with so many levels of arrays.
func nest(r plog.LogRecord, levels int) {
	v := r.Body()
	for range levels {
		v = v.SetEmptySlice().AppendEmpty()
	}
}

// One rule for all causes: the good records of a call are written, and each bad one leaves an
// event. The call's error is permanent and says of both. Sent again, nothing is there twice.
func TestBadRecordsKeepNoGoodOnesOut(t *testing.T) {
	for reason, tt := range map[string]struct {
		config func(*auditlogexporter.Config)
		spoil  func(plog.LogRecord)
		hashed bool
		says   string
	}{
		"strict": {strict, func(r plog.LogRecord) { r.SetEventName("") }, true, "operation"},
		"too_large": {func(c *auditlogexporter.Config) { c.Limits.MaxLeafBytes = 4096 }, func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("x", 4000)) }, true,
			"limits::max_leaf_bytes"},
		"too_deep": {nil, func(r plog.LogRecord) { nest(r, 200_001) }, false, "nested too deeply"},
		"conflict": {refusingConflicts, func(r plog.LogRecord) { r.Attributes().PutStr("audit.record.id", "good-00000") }, true, "another event with the id"},
		"unverified": {func(c *auditlogexporter.Config) {
			withProducers(t, "refuse")(c)
		}, func(r plog.LogRecord) {}, true, "the record is unsigned"},
	} {
		for _, scope := range bothScopes {
			t.Run(reason+"/"+string(scope), func(t *testing.T) {
				c := testConfig(t, inScope(scope), func(c *auditlogexporter.Config) {
					if tt.config != nil {
						tt.config(c)
					}
				})
				r := start(t, c)
				good := ids("good", 300)
				logs := records(good...)
				if reason == "unverified" {
					good = good[:1]
					logs = prove(t, records(good...))
				}
				s := logs.ResourceLogs().AppendEmpty().ScopeLogs()
				s.AppendEmpty()
				second := s.AppendEmpty()
				for i := range 3 {
					bad := record(second, fmt.Sprint("bad-", i))
					bad.Body().SetStr(fmt.Sprint(i))
					tt.spoil(bad)
				}
				logs.MarkReadOnly()
				for tries := 1; tries <= 2; tries++ {
					err := r.ConsumeLogs(t.Context(), logs)
					require.Error(t, err)
					assert.True(t, consumererror.IsPermanent(err))
					assert.ErrorContains(t, err, fmt.Sprintf("3 of %d records refused: 3 %s (resource 1, scope 1, record 0: ", len(good)+3, reason))
					assert.ErrorContains(t, err, tt.says)
					assert.ErrorContains(t, err, "; resource 1, scope 1, record 2: ")
					if len(good) > 1 {
						assert.ErrorContains(t, err, "; the other 300 are in the log")
					}
					assert.Equal(t, good, writtenIDs(t, c), "by the time that the call returns")
					all := refusedIn(t, c)
					require.Len(t, all, 3*tries)
					for i, one := range all {
						assert.Equal(t, reason, one.Reason)
						assert.Equal(t, fmt.Sprintf("resource 1, scope 1, record %d", i%3), one.Record)
						if reason != "conflict" {
							assert.Equal(t, fmt.Sprint("bad-", i%3), one.EventID)
						}
						assert.Equal(t, tt.hashed, len(one.SHA256) == 64, "%+v", one)
						assert.Equal(t, all[i%3], one, "it is the same record")
					}
				}
				metadatatest.AssertEqualExporterAuditlogRefusedEvents(t, r.telemetry, points(reason, 6), metricdatatest.IgnoreTimestamp())
				metadatatest.AssertEqualExporterAuditlogPartialBatches(t, r.telemetry, one(2), metricdatatest.IgnoreTimestamp())
				assert.Empty(t, r.host.reported(), "a bad record is no trouble of the exporter's")
				verified(t, c)
			})
		}
	}
}

// Where all records of a call are refused, the log says so all the same.
func TestCallOfBadRecordsOnly(t *testing.T) {
	c := testConfig(t, strict)
	r := start(t, c)
	logs := records("a")
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).SetEventName("")
	err := r.ConsumeLogs(t.Context(), logs)
	assert.True(t, consumererror.IsPermanent(err))
	assert.ErrorContains(t, err, "1 of 1 records refused: 1 strict (resource 0, scope 0, record 0: ")
	assert.ErrorContains(t, err, "; the log has none of them, and says so")
	assert.Len(t, refusedIn(t, c), 1)
	assert.Empty(t, written(t, c))
}

// A call that can only be tried again is not written at all, and nothing is said of its bad
// records until it is.
func TestRetryableErrorsAreAllOrNothing(t *testing.T) {
	c := testConfig(t, strict, func(c *auditlogexporter.Config) { c.MinFreeSpaceMiB = 1 << 39 })
	r := start(t, c)
	logs := records("a", "b")
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).SetEventName("")
	err := r.ConsumeLogs(t.Context(), logs)
	require.Error(t, err)
	assert.False(t, consumererror.IsPermanent(err))
	assert.Empty(t, everything(t, c))
	metadatatest.AssertEqualExporterAuditlogRefusedEvents(t, r.telemetry, points("disk_full", 2), metricdatatest.IgnoreTimestamp())
}

// Of a great many refused records some are named, and all are counted.
func TestManyBadRecords(t *testing.T) {
	c := testConfig(t, strict, forCheckpoints)
	r := start(t, c)
	logs := records(ids("good", 10)...)
	s := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for range 5000 {
		s.LogRecords().AppendEmpty()
	}
	err := r.ConsumeLogs(t.Context(), logs)
	require.ErrorContains(t, err, "5000 of 5010 records refused: 5000 strict (resource 1, scope 0, record ")
	assert.ErrorContains(t, err, "; and 4997 more)")
	assert.Less(t, len(err.Error()), 1000)
	all := refusedIn(t, c)
	require.Len(t, all, 101)
	assert.EqualValues(t, 4900, all[100].Count)
	metadatatest.AssertEqualExporterAuditlogRefusedEvents(t, r.telemetry, points("strict", 5000), metricdatatest.IgnoreTimestamp())
}

// With on_oversize: replace a record that is too long has an event in its place, by which it
// is known again, before a restart and after.
func TestOversizedRecordsAreReplaced(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			c := testConfig(t, inScope(scope), func(c *auditlogexporter.Config) {
				c.Limits.MaxLeafBytes, c.Limits.OnOversize = 65535, "replace"
			})
			r := start(t, c)
			logs := records("a", "long", "b")
			logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(1).Body().SetStr(strings.Repeat("x", 100_000))
			for range 2 {
				for range 2 {
					require.NoError(t, r.ConsumeLogs(t.Context(), logs))
				}
				r.stop(t)
				r = start(t, c)
			}
			events := written(t, c)
			require.Len(t, events, 3)
			require.NotNil(t, events[1].Replaced)
			assert.Equal(t, "long", events[1].EventID)
			assert.Equal(t, "alice", events[1].UserID)
			var replaced struct{ Length int }
			require.NoError(t, json.Unmarshal(events[1].Replaced, &replaced))
			assert.Greater(t, replaced.Length, 100_000)
			assert.Empty(t, refusedIn(t, c))
			verified(t, c)
		})
	}
}

// A record that is longer than any log may hold.
func TestOversizedRecordIsRefusedForGood(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	logs := records("good", "big")
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(1).Body().SetStr(strings.Repeat("x", segline.MaxBytes))
	err := r.ConsumeLogs(t.Context(), logs)
	assert.True(t, consumererror.IsPermanent(err))
	assert.ErrorContains(t, err, "resource 0, scope 0, record 1: ")
	assert.Equal(t, []string{"good"}, writtenIDs(t, c))
	metadatatest.AssertEqualExporterAuditlogRefusedEvents(t, r.telemetry, points("too_large", 1), metricdatatest.IgnoreTimestamp())
}
