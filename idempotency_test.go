// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/metadatatest"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

func one(value int64) []metricdata.DataPoint[int64] {
	return []metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(attribute.String("exporter", "auditlog")), Value: value}}
}

// A record that comes again is acknowledged and in the log once, in calls large and small,
// and after a restart.
func TestRetriesAreWrittenOnce(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			c := testConfig(t, inScope(scope))
			r := start(t, c)
			all := ids("e", 500)
			require.NoError(t, r.ConsumeLogs(t.Context(), records(all[:300]...)))
			require.NoError(t, r.ConsumeLogs(t.Context(), records(all...)), "some of them again")
			require.NoError(t, r.ConsumeLogs(t.Context(), records(all...)), "all of them again")
			metadatatest.AssertEqualExporterAuditlogRepeatedEvents(t, r.telemetry, one(800), metricdatatest.IgnoreTimestamp())
			r.stop(t)
			r = start(t, c)
			require.NoError(t, r.ConsumeLogs(t.Context(), records(all...)), "after a restart")
			assert.Equal(t, all, writtenIDs(t, c))
			report := verified(t, c)
			assert.Empty(t, report.Findings)
		})
	}
}

// What the collector itself adds does not make another record of it.
func TestRetryWithoutATimeOfItsOwn(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	logs := records("a")
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).SetTimestamp(0)
	for range 3 {
		require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	}
	assert.Equal(t, []string{"a"}, writtenIDs(t, c))
}

// Records without an id are never taken for one another, nor are ids that are made here.
func TestRecordsWithoutAnIDAreAllWritten(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	logs := records("a")
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().Remove("audit.record.id")
	for range 3 {
		require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	}
	assert.Len(t, written(t, c), 3)
}

// With another content, a record is refused for good, and alone; the error names the id and
// both hashes.
func TestAnotherRecordWithAnIDIsRefused(t *testing.T) {
	c := testConfig(t, refusingConflicts)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
	other := records("b", "a")
	other.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(1).Body().SetStr("something else")
	err := r.ConsumeLogs(t.Context(), other)
	require.Error(t, err)
	assert.True(t, consumererror.IsPermanent(err))
	assert.ErrorContains(t, err, "1 of 2 records refused: 1 conflict (resource 0, scope 0, record 1: ")
	assert.ErrorContains(t, err, "; the other one is in the log")
	assert.Regexp(t, `id "a": what it says has the SHA-256 [0-9a-f]{64}, what was sent now [0-9a-f]{64}`, err.Error())
	assert.Equal(t, []string{"a", "b"}, writtenIDs(t, c))
	metadatatest.AssertEqualExporterAuditlogRefusedEvents(t, r.telemetry, points("conflict", 1), metricdatatest.IgnoreTimestamp())
	assert.Empty(t, r.host.reported(), "a bad record is no trouble of the exporter's")
	require.Error(t, r.ConsumeLogs(t.Context(), other), "sent again, it is the same")
	assert.Equal(t, []string{"a", "b"}, writtenIDs(t, c))
	said := refusedIn(t, c)
	require.Len(t, said, 2)
	assert.Equal(t, "conflict", said[0].Reason)
	assert.Equal(t, "a", said[0].EventID)
	assert.Equal(t, said[0], said[1])
}

// By default both are in the log, and an event says so.
func TestAnotherRecordWithAnIDIsRecorded(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
	other := records("a")
	other.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr("something else")
	require.NoError(t, r.ConsumeLogs(t.Context(), other))
	require.NoError(t, r.ConsumeLogs(t.Context(), other), "its own retry is one")
	assert.Equal(t, []string{"a", "a"}, writtenIDs(t, c))
	metadatatest.AssertEqualExporterAuditlogIDConflicts(t, r.telemetry, one(1), metricdatatest.IgnoreTimestamp())
	said := ""
	for _, e := range everything(t, c) {
		if e.Operation == "auditlog.id_conflict" {
			said += string(e.Log)
		}
	}
	assert.Regexp(t, `^\{"action":"id_conflict","conflict":\{"content_hash":"[0-9a-f]{64}","event_id":"a","logged_hash":"[0-9a-f]{64}"\}\}$`, said)
	var kinds []verify.Kind
	for _, f := range verified(t, c).Findings {
		kinds = append(kinds, f.Kind)
	}
	assert.Equal(t, []verify.Kind{verify.Kind("duplicate_event_id")}, kinds)
}

// What is no longer remembered is written again, and verify tells.
func TestRetriesOfWhatIsForgotten(t *testing.T) {
	c := testConfig(t, func(c *auditlogexporter.Config) { c.Idempotency.MaxEvents = 10 })
	r := start(t, c)
	all := ids("e", 30)
	require.NoError(t, r.ConsumeLogs(t.Context(), records(all[:15]...)))
	require.NoError(t, r.ConsumeLogs(t.Context(), records(all[15:]...)))
	require.NoError(t, r.ConsumeLogs(t.Context(), records(all[25], all[0])))
	assert.Equal(t, append(all, all[0]), writtenIDs(t, c))
	report := verified(t, c)
	require.Len(t, report.Findings, 1)
	assert.Equal(t, verify.Kind("duplicate_event_id"), report.Findings[0].Kind)
}

// Hostile ids are ids like others: long ones, control characters, and a flood of them,
// which takes the memory for max_events and no more.
func TestHostileIDs(t *testing.T) {
	c := testConfig(t, forCheckpoints, refusingConflicts, func(c *auditlogexporter.Config) { c.Idempotency.MaxEvents = 1000 })
	r := start(t, c)
	hostile := []string{"\x00\x1b[2J\n", "\u202e\u2028", strings.Repeat("ä", 1<<20), `","log":{}`, "\xff\xfe", " "}
	for range 2 {
		require.NoError(t, r.ConsumeLogs(t.Context(), records(hostile...)))
	}
	assert.Len(t, written(t, c), len(hostile))
	for _, id := range hostile {
		other := records(id)
		other.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr("something else")
		err := r.ConsumeLogs(t.Context(), other)
		require.Error(t, err)
		assert.Less(t, len(err.Error()), 1200)
		assert.NotContains(t, err.Error(), "\x1b")
		assert.NotContains(t, err.Error(), "\n")
	}
	for i := range 20 {
		logs := records(ids(fmt.Sprint("flood-", i), 1000)...)
		require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	}
	assert.Len(t, written(t, c), len(hostile)+20*1000)
	verified(t, c)
}

// A retry is no gap and no repeat in its producer's stream.
func TestRetriesInStreams(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 1, 2, 3)))
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 1, 2, 3)))
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 2, 3, 4, 5)))
	assert.Empty(t, remarks(t, c))
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 5, 7)))
	assert.Equal(t, []string{"gap  s 7 6 1"}, remarks(t, c))
	assert.Len(t, written(t, c), 6)
}

// A call that is sent again because one partition refused its share is in the others once.
func TestRetriesOverPartitions(t *testing.T) {
	c := testConfig(t, byTenant)
	r := start(t, c)
	mend := refuse(t, c, "bad")
	logs := ofTenant("good", "1")
	addTenant(logs, "bad", "1")
	require.Error(t, r.ConsumeLogs(t.Context(), logs))
	mend()
	require.Eventually(t, func() bool { return r.ConsumeLogs(t.Context(), logs) == nil }, waitAtMost, pollEvery)
	r.stop(t)
	for _, name := range []string{"good", "bad"} {
		assert.Equal(t, []string{"1"}, writtenIDs(t, partitionOf(c, name)), name)
	}
}

func refusingConflicts(c *auditlogexporter.Config) {
	c.Idempotency.OnConflict = "refuse"
}

func forCheckpoints(c *auditlogexporter.Config) { c.Signing.Scope = "checkpoint" }
