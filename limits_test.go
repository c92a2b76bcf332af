// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/metadatatest"
)

// emptyRecords is a request of so many records, of which each takes two bytes in OTLP.
func emptyRecords(n int) plog.Logs {
	logs := plog.NewLogs()
	s := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	s.LogRecords().EnsureCapacity(n)
	for range n {
		s.LogRecords().AppendEmpty()
	}
	return logs
}

// A call over a limit is refused for good, with the limit's key, and nothing of it is written.
func TestLimitsOfACall(t *testing.T) {
	large := records(ids("e", 3)...)
	large.ResourceLogs().At(0).Resource().Attributes().PutStr("x", strings.Repeat("x", 400_000))
	for name, tt := range map[string]struct {
		logs   plog.Logs
		reason string
		says   string
	}{
		"records":               {records(ids("e", 11)...), "max_records", "the call brings 11 records, more than the 10 that limits::max_records allows"},
		"bytes of a shared map": {large, "max_size", "more than the 1 MiB to the log that limits::max_size_mib allows"},
	} {
		for partitioned, partition := range map[string]func(*auditlogexporter.Config){"": func(*auditlogexporter.Config) {}, "/partitions": byTenant} {
			t.Run(name+partitioned, func(t *testing.T) {
				c := testConfig(t, partition, func(c *auditlogexporter.Config) { c.Limits.MaxRecords, c.Limits.MaxSizeMiB = 10, 1 })
				r := start(t, c)
				for range 3 {
					err := r.ConsumeLogs(t.Context(), tt.logs)
					require.ErrorContains(t, err, tt.says)
					assert.True(t, consumererror.IsPermanent(err))
				}
				n := int64(3 * tt.logs.LogRecordCount())
				metadatatest.AssertEqualExporterAuditlogRefusedEvents(t, r.telemetry, points(tt.reason, n), metricdatatest.IgnoreTimestamp())
				metadatatest.AssertEqualExporterAuditlogRefusedBatches(t, r.telemetry, points(tt.reason, 3), metricdatatest.IgnoreTimestamp())
				require.NoError(t, r.ConsumeLogs(t.Context(), records(ids("f", 10)...)), "what is within the limits is taken")
				assert.Empty(t, r.host.reported())
			})
		}
	}
}

// What is too large by the number of its records alone is known before anything is made of it.
func TestTooManyRecordsForTheSize(t *testing.T) {
	c := testConfig(t, func(c *auditlogexporter.Config) { c.Limits.MaxSizeMiB = 1 })
	r := start(t, c)
	logs := emptyRecords(90_000)
	grown := allocated(func() {
		require.ErrorContains(t, r.ConsumeLogs(t.Context(), logs), "limits::max_size_mib")
	})
	assert.Less(t, grown, uint64(100_000), "bytes")
}

// A resource that is too long by itself is not written again and again for the records that it
// takes with it, whether they are refused or replaced.
func TestAResourceThatIsTooLargeForItsRecords(t *testing.T) {
	const n = 5000
	logs := emptyRecords(n)
	logs.ResourceLogs().At(0).Resource().Attributes().PutStr("x", strings.Repeat("x", 1<<20))
	for mode, says := range map[string]string{
		"refuse":  "5000 of 5001 records refused: 5000 too_large (resource 0, scope 0, record ",
		"replace": "limits::max_size_mib",
	} {
		t.Run(mode, func(t *testing.T) {
			c := testConfig(t, forCheckpoints, func(c *auditlogexporter.Config) {
				c.Limits.MaxRecords, c.Limits.MaxSizeMiB, c.Limits.MaxInFlightMiB, c.Limits.MaxLeafBytes = n+1, 8, 8, 65535
				c.Limits.OnOversize = "refuse"
				if mode == "replace" {
					c.Limits.OnOversize = "replace"
				}
			})
			r := start(t, c)
			all := plog.NewLogs()
			logs.ResourceLogs().At(0).CopyTo(all.ResourceLogs().AppendEmpty())
			records("good").ResourceLogs().MoveAndAppendTo(all.ResourceLogs())
			grown := allocated(func() {
				err := r.ConsumeLogs(t.Context(), all)
				require.ErrorContains(t, err, says)
				assert.True(t, consumererror.IsPermanent(err))
			})
			assert.Less(t, grown, uint64(512<<20), "bytes; each of the records would take 1 MiB")
			if mode == "refuse" {
				assert.Equal(t, []string{"good"}, writtenIDs(t, c))
			}
		})
	}
}

// All calls at a time have a limit, too. Who finds no room is told to try again, and has it when
// others are done.
func TestLimitOfAllCalls(t *testing.T) {
	c := testConfig(t, forCheckpoints, func(c *auditlogexporter.Config) { c.Limits.MaxSizeMiB, c.Limits.MaxInFlightMiB = 8, 8 })
	r := start(t, c)
	logs := records(ids("e", 6)...)
	logs.ResourceLogs().At(0).Resource().Attributes().PutStr("x", strings.Repeat("x", 1<<20))
	var wg sync.WaitGroup
	var mu sync.Mutex
	refused := int64(0)
	for range 8 {
		wg.Go(func() {
			for {
				err := r.ConsumeLogs(t.Context(), logs)
				if err == nil {
					return
				}
				assert.ErrorContains(t, err, "limits::max_in_flight_mib")
				if !assert.False(t, consumererror.IsPermanent(err)) {
					return
				}
				mu.Lock()
				refused += 6
				mu.Unlock()
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	require.NotZero(t, refused, "the test is to go over the limit")
	metadatatest.AssertEqualExporterAuditlogRefusedEvents(t, r.telemetry, points("max_in_flight", refused), metricdatatest.IgnoreTimestamp())
	assert.Equal(t, ids("e", 6), writtenIDs(t, c))
	require.NoError(t, r.ConsumeLogs(t.Context(), logs), "nothing is held when all are answered")
}

// allocated returns how many bytes do allocates.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// peak returns how much more the heap holds at a time while do runs.
func peak(do func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(4)) // what is garbage is to be gone soon
	runtime.GC()
	runtime.GC() // what pools hold goes at the second
	heap := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before := heap()
	most := before
	done, sampled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sampled)
		for {
			select {
			case <-done:
				return
			default:
				most = max(most, heap())
				runtime.Gosched()
			}
		}
	}()
	do()
	close(done)
	<-sampled
	return most - before
}

// An empty record, of two bytes in OTLP, takes its line and less than 600 bytes of memory: its
// line is there once, and a commit writes it from there.
func TestMemoryOfAnEmptyRecord(t *testing.T) {
	if withRaceDetector {
		t.Skip("memory is measured without the race detector: make unit does so")
	}
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			const n = 20_000
			logs := emptyRecords(n)
			// What the rest of the process does meanwhile is measured, too: the least of
			// three measurements is nearest. Each has an exporter that has no memory yet.
			bytes, line := uint64(math.MaxUint64), uint64(0)
			for range 3 {
				c := testConfig(t, inScope(scope))
				r := start(t, c)
				bytes = min(bytes, peak(func() { require.NoError(t, r.ConsumeLogs(t.Context(), logs)) })/n)
				r.stop(t)
				line = uint64(verified(t, c).Segments[0].Bytes) / n
			}
			runtime.KeepAlive(logs)
			t.Logf("%d bytes a line, %d bytes of heap a record", line, bytes)
			assert.Less(t, bytes, line+600)
		})
	}
}
