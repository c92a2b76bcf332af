// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/metadatatest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

var bothScopes = []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint}

func inScope(s segline.Scope) func(*auditlogexporter.Config) {
	return func(c *auditlogexporter.Config) { c.Signing.Scope = s }
}

func TestAcknowledgedRecordsAreInTheLogWhole(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			c := testConfig(t, inScope(scope))
			r := start(t, c)
			logs := plog.NewLogs()
			for i := range 3 {
				resource := logs.ResourceLogs().AppendEmpty()
				resource.Resource().Attributes().PutStr("service.name", fmt.Sprint("service-", i))
				resource.SetSchemaUrl("https://example.com/schema")
				for j := range 2 {
					s := resource.ScopeLogs().AppendEmpty()
					s.Scope().SetName(fmt.Sprint("scope-", j))
					one := record(s, fmt.Sprint("id-", i, j))
					one.Body().SetEmptyMap().PutDouble("ratio", 1.0/3)
					one.Attributes().PutInt("big", 1<<62)
				}
			}
			logs.MarkReadOnly()
			require.NoError(t, r.ConsumeLogs(t.Context(), logs))

			// The call has returned: what it brought is there, whatever comes next.
			assert.Equal(t, uint64(6), verified(t, c).TotalEvents-verified(t, c).OwnEvents)
			events := written(t, c)
			require.Len(t, events, 6)
			for n, e := range events {
				back, err := mapping.Logs(e)
				require.NoError(t, err)
				want := logs.ResourceLogs().At(n / 2)
				got := back.ResourceLogs().At(0)
				assert.Equal(t, want.Resource().Attributes().AsRaw(), got.Resource().Attributes().AsRaw())
				assert.Equal(t, want.SchemaUrl(), got.SchemaUrl())
				wantScope, gotScope := want.ScopeLogs().At(n%2), got.ScopeLogs().At(0)
				assert.Equal(t, wantScope.Scope().Name(), gotScope.Scope().Name())
				wantRecord, gotRecord := wantScope.LogRecords().At(0), gotScope.LogRecords().At(0)
				assert.Equal(t, wantRecord.Attributes().AsRaw(), gotRecord.Attributes().AsRaw())
				assert.Equal(t, wantRecord.Body().AsRaw(), gotRecord.Body().AsRaw())
				assert.Equal(t, wantRecord.EventName(), gotRecord.EventName())
				assert.Equal(t, wantRecord.Timestamp(), gotRecord.Timestamp())
			}
		})
	}
}

func TestNothingToWriteIsNoError(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), plog.NewLogs()))
	withoutRecords := plog.NewLogs()
	withoutRecords.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	require.NoError(t, r.ConsumeLogs(t.Context(), withoutRecords))
	assert.Empty(t, written(t, c))
}

func TestInputIsNotChanged(t *testing.T) {
	r := start(t, testConfig(t))
	assert.False(t, r.Capabilities().MutatesData)
}

func TestConcurrentCallsAllLand(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			c := testConfig(t, inScope(scope), func(c *auditlogexporter.Config) { c.Rotation.MaxSizeMiB = 1 })
			r := start(t, c)
			const callers, calls, each = 8, 12, 70
			var all []string
			var wg sync.WaitGroup
			for caller := range callers {
				for call := range calls {
					all = append(all, ids(fmt.Sprint(caller, "-", call), each)...)
				}
				wg.Go(func() {
					for call := range calls {
						assert.NoError(t, r.ConsumeLogs(t.Context(), records(ids(fmt.Sprint(caller, "-", call), each)...)))
					}
				})
			}
			wg.Wait()
			r.stop(t)
			assert.ElementsMatch(t, all, writtenIDs(t, c))
			assert.Greater(t, len(verified(t, c).Segments), 1, "the test is to go across a rotation")
		})
	}
}

func TestFullDiskIsRetryable(t *testing.T) {
	c := testConfig(t, func(c *auditlogexporter.Config) { c.MinFreeSpaceMiB = 1 << 39 })
	r := start(t, c)
	for range 3 {
		err := r.ConsumeLogs(t.Context(), records("a"))
		require.Error(t, err)
		assert.False(t, consumererror.IsPermanent(err))
	}
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, r.host.reported(), "status is told on change only")
	metadatatest.AssertEqualExporterAuditlogRefusedEvents(t, r.telemetry, points("disk_full", 3), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExporterAuditlogRefusedBatches(t, r.telemetry, points("disk_full", 3), metricdatatest.IgnoreTimestamp())
}

func TestLogThatComesBackIsWrittenAgain(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("before")))
	away := c.Directory + "-away"
	require.NoError(t, os.Rename(c.Directory, away))
	for range 2 {
		err := r.ConsumeLogs(t.Context(), records("meanwhile"))
		require.Error(t, err)
		assert.False(t, consumererror.IsPermanent(err))
	}
	require.NoError(t, os.Rename(away, c.Directory))
	require.NoError(t, r.ConsumeLogs(t.Context(), records("after")))
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK}, r.host.reported())
	assert.Equal(t, []string{"before", "after"}, writtenIDs(t, c))
	verified(t, c)
}

func TestCallThatNobodyWaitsForIsNotWritten(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	err := r.ConsumeLogs(gone, records("a"))
	require.ErrorIs(t, err, context.Canceled)
	assert.False(t, consumererror.IsPermanent(err))
	assert.Empty(t, written(t, c))
	metadatatest.AssertEqualExporterAuditlogRefusedEvents(t, r.telemetry, points("canceled", 1), metricdatatest.IgnoreTimestamp())
}

func TestShutdownRefusesWhatComesLater(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("in-time")))
	r.stop(t)
	err := r.ConsumeLogs(t.Context(), records("late"))
	require.Error(t, err)
	assert.False(t, consumererror.IsPermanent(err))
	assert.Equal(t, []string{"in-time"}, writtenIDs(t, c))
	assert.NoError(t, r.Shutdown(t.Context()), "once more")
}

func TestShutdownKeepsWhatWasAcknowledged(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	var mu sync.Mutex
	acknowledged := []string{}
	var wg sync.WaitGroup
	for caller := range 4 {
		wg.Go(func() {
			for call := 0; ; call++ {
				id := fmt.Sprint(caller, "-", call)
				if r.ConsumeLogs(t.Context(), records(id)) != nil {
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, id)
				mu.Unlock()
			}
		})
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged) > 20
	}, waitAtMost, pollEvery)
	r.stop(t)
	wg.Wait()
	assert.ElementsMatch(t, acknowledged, writtenIDs(t, c))
	verified(t, c)
}

func TestCallBeforeStartIsRefused(t *testing.T) {
	r := newExporter(t, testConfig(t))
	err := r.ConsumeLogs(t.Context(), records("early"))
	require.Error(t, err)
	assert.False(t, consumererror.IsPermanent(err))
	r.stop(t)
}

func TestQueueIsWrittenOutOnShutdown(t *testing.T) {
	c := testConfig(t, func(c *auditlogexporter.Config) { c.QueueConfig.GetOrInsertDefault() })
	r := start(t, c)
	want := ids("queued", 40)
	for _, id := range want {
		require.NoError(t, r.ConsumeLogs(t.Context(), records(id)))
	}
	r.stop(t)
	assert.ElementsMatch(t, want, writtenIDs(t, c))
}

func TestMetrics(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a", "b", "c")))
	unmapped := records("d", "e")
	unmapped.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(1).SetEventName("")
	require.NoError(t, r.ConsumeLogs(t.Context(), unmapped))

	ignore := metricdatatest.IgnoreTimestamp()
	metadatatest.AssertEqualExporterAuditlogEvents(t, r.telemetry, points("", 5), ignore)
	metadatatest.AssertEqualExporterAuditlogBatches(t, r.telemetry, points("", 2), ignore)
	metadatatest.AssertEqualExporterAuditlogUnmappedEvents(t, r.telemetry, points("", 1), ignore)
	metadatatest.AssertEqualExporterAuditlogSegments(t, r.telemetry, points("", 1), ignore)
	report := verified(t, c)
	metadatatest.AssertEqualExporterAuditlogTreeSize(t, r.telemetry, points("", int64(report.TreeSize)), ignore)
	metadatatest.AssertEqualExporterAuditlogWritten(t, r.telemetry, points("", report.Segments[0].Bytes), ignore)
	any := []metricdata.HistogramDataPoint[float64]{{Attributes: attributes("")}}
	metadatatest.AssertEqualExporterAuditlogCommitDuration(t, r.telemetry, any, ignore, metricdatatest.IgnoreValue())
	metadatatest.AssertEqualExporterAuditlogFsyncDuration(t, r.telemetry, any, ignore, metricdatatest.IgnoreValue())
	calls := []metricdata.HistogramDataPoint[int64]{{Attributes: attributes("")}}
	metadatatest.AssertEqualExporterAuditlogCommitCalls(t, r.telemetry, calls, ignore, metricdatatest.IgnoreValue())
	metadatatest.AssertEqualExporterAuditlogFreeSpace(t, r.telemetry, points("", 0), ignore, metricdatatest.IgnoreValue())
	_, err := r.telemetry.GetMetric("otelcol_exporter_auditlog_refused_events")
	assert.Error(t, err, "nothing was refused")
}

// points is one data point of the exporter under test.
func points(reason string, value int64) []metricdata.DataPoint[int64] {
	return []metricdata.DataPoint[int64]{{Attributes: attributes(reason), Value: value}}
}

func attributes(reason string) attribute.Set {
	kvs := []attribute.KeyValue{attribute.String("exporter", "auditlog")}
	if reason != "" {
		kvs = append(kvs, attribute.String("reason", reason))
	}
	return attribute.NewSet(kvs...)
}

func TestSecondExporterOfADirectoryDoesNotStart(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	assert.ErrorContains(t, startError(t, c), c.Directory)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a")), "the first goes on")
	verified(t, c)
}

func TestFindingsAreOnlyTheLogsOwn(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a", "b")))
	r.stop(t)
	for _, f := range verified(t, c).Findings {
		assert.Equal(t, verify.Info, f.Severity, "%+v", f)
	}
}
