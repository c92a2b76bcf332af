// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/partition"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// byTenant divides the log by the attribute tenant.id.
func byTenant(c *auditlogexporter.Config) { c.PartitionBy = "tenant.id" }

// partitionOf is the configuration of one partition's log.
func partitionOf(c *auditlogexporter.Config, name string) *auditlogexporter.Config {
	one := *c
	one.PartitionBy = ""
	one.Directory = filepath.Join(c.Directory, name)
	one.Origin += "/" + name
	return &one
}

// partitionsOf lists the directories below the configured one.
func partitionsOf(t testing.TB, c *auditlogexporter.Config) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(c.Directory)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() != durable.LockName {
			require.True(t, e.IsDir(), e.Name())
			names = append(names, e.Name())
		}
	}
	return names
}

// addTenant appends a resource of a tenant with a record for each id.
func addTenant(logs plog.Logs, tenant any, ids ...string) {
	resource := logs.ResourceLogs().AppendEmpty()
	if tenant != nil {
		if err := resource.Resource().Attributes().PutEmpty("tenant.id").FromRaw(tenant); err != nil {
			panic(err)
		}
	}
	scope := resource.ScopeLogs().AppendEmpty()
	for _, id := range ids {
		record(scope, id)
	}
}

func ofTenant(tenant any, ids ...string) plog.Logs {
	logs := plog.NewLogs()
	addTenant(logs, tenant, ids...)
	return logs
}

// refuse makes a partition's directory one that the log will not be written to, and
// returns what mends it.
func refuse(t *testing.T, c *auditlogexporter.Config, name string) (mend func()) {
	t.Helper()
	dir := filepath.Join(c.Directory, name)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.Chmod(dir, 0o777))
	return func() { require.NoError(t, os.Chmod(dir, 0o700)) }
}

func TestEachValueHasALogOfItsOwn(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			c := testConfig(t, inScope(scope), byTenant)
			long := strings.Repeat("x", 10_000)
			values := map[string]any{
				"acme": "acme", "%41cme": "Acme", "_int-7": int64(7), "7": "7", "_bool-true": true, "_empty": "", "_none": nil, "%5fnone": "_none",
				"_other": []any{"acme"}, "%2e.%2fx": "../x", "%2elock": ".lock", "a%00b": "a\x00b", "%d0%b0cme": "\u0430cme", partition.Name(long): long,
			}
			names := slices.Sorted(maps.Keys(values))
			want := map[string][]string{}
			for start0 := range 2 { // a restart goes on with the same
				r := start(t, c)
				logs := plog.NewLogs()
				for round := range 3 {
					for i, name := range names {
						ids := []string{fmt.Sprintf("%d-%d-%d-a", start0, round, i), fmt.Sprintf("%d-%d-%d-b", start0, round, i)}
						addTenant(logs, values[name], ids...)
						want[name] = append(want[name], ids...)
					}
				}
				logs.MarkReadOnly()
				require.NoError(t, r.ConsumeLogs(t.Context(), logs))
				r.stop(t)
			}
			assert.ElementsMatch(t, names, partitionsOf(t, c))
			for _, name := range names {
				one := partitionOf(c, name)
				report := verified(t, one)
				assert.Equal(t, one.Origin, report.Origin)
				assert.Equal(t, want[name], writtenIDs(t, one), name)
				for _, e := range written(t, one) {
					back, err := mapping.Logs(e)
					require.NoError(t, err)
					v, ok := back.ResourceLogs().At(0).Resource().Attributes().Get("tenant.id")
					if !ok {
						assert.Equal(t, partition.None, name)
						continue
					}
					assert.Equal(t, name, partition.NameOf(v))
				}
			}
		})
	}
}

func TestMoreValuesThanPartitions(t *testing.T) {
	c := testConfig(t, byTenant, func(c *auditlogexporter.Config) { c.MaxPartitions = 2 })
	r := start(t, c)
	for i, tenant := range []any{"a", "b", "c", "d", "a", nil, 1.5, "c"} {
		require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant(tenant, fmt.Sprint(i))))
	}
	assert.Equal(t, []string{"_none", "_other", "_overflow", "a", "b"}, partitionsOf(t, c))
	assert.Equal(t, []string{"2", "3", "7"}, writtenIDs(t, partitionOf(c, partition.Overflow)))
	assert.Equal(t, []string{"0", "4"}, writtenIDs(t, partitionOf(c, "a")))
	assert.Equal(t, int64(3), sum(t, r, "otelcol_exporter_auditlog_overflow_events"))
	m, err := r.telemetry.GetMetric("otelcol_exporter_auditlog_partitions")
	require.NoError(t, err)
	assert.Equal(t, int64(2), m.Data.(metricdata.Gauge[int64]).DataPoints[0].Value)
	assert.Len(t, r.logged.FilterMessageSnippet("max_partitions").All(), 1, "said once a minute")
	assert.NotContains(t, r.host.reported(), componentstatus.StatusRecoverableError, "a sender must not be able to make the exporter look ill")
	r.stop(t)

	// After a restart those that are there count, whoever comes first.
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("c", "again")))
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("b", "again")))
	assert.Equal(t, []string{"1", "again"}, writtenIDs(t, partitionOf(c, "b")))
	r.stop(t)
	c.MaxPartitions = 1
	assert.ErrorContains(t, startError(t, c), "max_partitions: ")
	// With room, a value gets a log of its own; what was written stays where it is.
	c.MaxPartitions = 3
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("c", "own")))
	r.stop(t)
	assert.Equal(t, []string{"own"}, writtenIDs(t, partitionOf(c, "c")))
	for _, name := range partitionsOf(t, c) {
		verified(t, partitionOf(c, name))
	}
}

// The log that values share has one set of ids, as docs/fleet.md warns; those that have
// logs of their own do not meet.
func TestIDsMeetInTheOverflowAlone(t *testing.T) {
	c := testConfig(t, byTenant, refusingConflicts, func(c *auditlogexporter.Config) { c.MaxPartitions = 2 })
	r := start(t, c)
	for _, tenant := range []string{"a", "b", "c"} {
		require.NoError(t, r.ConsumeLogs(t.Context(), withBody(ofTenant(tenant, "1"), tenant)))
	}
	for _, tenant := range []string{"a", "c"} {
		require.NoError(t, r.ConsumeLogs(t.Context(), withBody(ofTenant(tenant, "1"), tenant)), "it is known")
	}
	err := r.ConsumeLogs(t.Context(), withBody(ofTenant("d", "1"), "d"))
	assert.ErrorContains(t, err, "1 of 1 records refused: 1 conflict ")
	assert.True(t, consumererror.IsPermanent(err))
	r.stop(t)
	for _, name := range []string{"a", "b", partition.Overflow} {
		assert.Equal(t, []string{"1"}, writtenIDs(t, partitionOf(c, name)))
	}
}

// withBody gives all records of the first resource a body.
func withBody(logs plog.Logs, body string) plog.Logs {
	records := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	for i := range records.Len() {
		records.At(i).Body().SetStr(body)
	}
	return logs
}

// Whoever sends a hundred thousand values fills no disk with directories, and no memory
// with metrics, and nothing is lost.
func TestAFloodOfValuesIsBounded(t *testing.T) {
	c := testConfig(t, byTenant, forgetful, inScope(segline.ScopeCheckpoint), func(c *auditlogexporter.Config) {
		c.MaxPartitions = 4
		c.Sync = "never"
	})
	r := start(t, c)
	const calls, each = 100, 1000
	for call := range calls {
		logs := plog.NewLogs()
		for i := range each {
			addTenant(logs, fmt.Sprintf("tenant %d/%d", call, i), "x")
		}
		require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	}
	assert.Len(t, partitionsOf(t, c), c.MaxPartitions+2)
	assert.Equal(t, int64(calls*each-4), sum(t, r, "otelcol_exporter_auditlog_overflow_events"))
	assert.Equal(t, int64(calls*each), sum(t, r, "otelcol_exporter_auditlog_events"))
	m, err := r.telemetry.GetMetric("otelcol_exporter_auditlog_events")
	require.NoError(t, err)
	assert.LessOrEqual(t, len(m.Data.(metricdata.Sum[int64]).DataPoints), c.MaxPartitions+3)
}

// sum adds up a counter.
func sum(t *testing.T, r *running, name string) (n int64) {
	t.Helper()
	m, err := r.telemetry.GetMetric(name)
	require.NoError(t, err)
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		n += p.Value
	}
	return n
}

// A partition that cannot be written is told of, and does not keep others from being
// written; it is in use again once it is mended.
func TestAPartitionThatFailsIsAlone(t *testing.T) {
	t.Parallel() // it waits for the next attempt at opening
	c := testConfig(t, byTenant)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("bad", "before")))
	r.stop(t)
	mend := refuse(t, c, "bad")

	r = start(t, c)
	require.Eventually(t, func() bool { return r.host.says("partition bad: ") }, waitAtMost, pollEvery)
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("good", "alone")))
	err := r.ConsumeLogs(t.Context(), ofTenant("bad", "alone"))
	require.ErrorContains(t, err, "none of 1 records is in the audit log: partition bad: ")
	assert.False(t, consumererror.IsPermanent(err))

	mixed := ofTenant("bad", "1", "2")
	addTenant(mixed, "good", "3")
	addTenant(mixed, nil, "4")
	err = r.ConsumeLogs(t.Context(), mixed)
	require.ErrorContains(t, err, "2 of 4 records are not in the audit log, those of partition bad; the others are")
	assert.False(t, consumererror.IsPermanent(err))
	assert.Equal(t, int64(1), sum(t, r, "otelcol_exporter_auditlog_partial_batches"))
	assert.Equal(t, int64(3), sum(t, r, "otelcol_exporter_auditlog_refused_events"))
	m, err := r.telemetry.GetMetric("otelcol_exporter_auditlog_refused_events")
	require.NoError(t, err)
	point := m.Data.(metricdata.Sum[int64]).DataPoints[0]
	reason, _ := point.Attributes.Value("reason")
	name, _ := point.Attributes.Value("partition")
	assert.Equal(t, "partition bad", reason.AsString()+" "+name.AsString())

	mend()
	require.Eventually(t, func() bool {
		all := r.host.reported()
		return all[len(all)-1] == componentstatus.StatusOK
	}, waitAtMost, pollEvery)
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("bad", "after")))
	r.stop(t)
	assert.Equal(t, []string{"before", "after"}, writtenIDs(t, partitionOf(c, "bad")))
	assert.Equal(t, []string{"alone", "3"}, writtenIDs(t, partitionOf(c, "good")))
	assert.Equal(t, []string{"4"}, writtenIDs(t, partitionOf(c, "_none")))
}

// So is one that fails while it is in use.
func TestAPartitionThatComesToFailIsAlone(t *testing.T) {
	t.Parallel() // it waits for the log to look again
	c := testConfig(t, byTenant)
	r := start(t, c)
	mixed := ofTenant("bad", "1")
	addTenant(mixed, "good", "2")
	require.NoError(t, r.ConsumeLogs(t.Context(), mixed))
	bad, away := filepath.Join(c.Directory, "bad"), filepath.Join(t.TempDir(), "away")
	require.NoError(t, os.Rename(bad, away))
	require.ErrorContains(t, r.ConsumeLogs(t.Context(), mixed), "1 of 2 records are not in the audit log, those of partition bad; the others are")
	assert.ErrorContains(t, r.host.lastError(), "partition bad: ")
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("good", "3")))
	assert.NoDirExists(t, bad, "nothing is begun in its place")
	require.NoError(t, os.Rename(away, bad))
	require.Eventually(t, func() bool { return r.host.lastError() == nil }, waitAtMost, pollEvery)
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("bad", "4")))
	r.stop(t)
	assert.Equal(t, []string{"1", "4"}, writtenIDs(t, partitionOf(c, "bad")))
	assert.Equal(t, []string{"2", "3"}, writtenIDs(t, partitionOf(c, "good")), "what it had taken is not written again")
	verified(t, partitionOf(c, "bad"))
}

// The status tells of each partition that fails, until none does.
func TestStatusTellsOfSeveralPartitions(t *testing.T) {
	t.Parallel() // it waits for the next attempt at opening
	c := testConfig(t, byTenant)
	r := start(t, c)
	mends := []func(){refuse(t, c, "a"), refuse(t, c, "b")}
	for _, name := range []string{"b", "a"} {
		require.Error(t, r.ConsumeLogs(t.Context(), ofTenant(name, "x")))
	}
	assert.ErrorContains(t, r.host.lastError(), "partition a and 1 more: ")
	mends[0]()
	require.Eventually(t, func() bool { return r.host.says("partition b: ") }, waitAtMost, pollEvery)
	mends[1]()
	require.Eventually(t, func() bool { return r.host.lastError() == nil }, waitAtMost, pollEvery)
}

// With retry_on_failure, what a partition has taken is not sent to it again.
func TestOnlyWhatFailedIsTriedAgain(t *testing.T) {
	t.Parallel() // it waits for the next attempt at opening
	c := testConfig(t, byTenant, func(c *auditlogexporter.Config) {
		c.RetryConfig.Enabled = true
		c.RetryConfig.InitialInterval = time.Millisecond
		c.RetryConfig.MaxInterval = 10 * time.Millisecond
	})
	r := newExporter(t, c) // which can be shut down once only: its retries cannot twice
	require.NoError(t, r.Start(t.Context(), r.host))
	mend := refuse(t, c, "bad")
	logs := ofTenant("good", "1")
	addTenant(logs, "bad", "2")
	addTenant(logs, "good", "3")
	logs.MarkReadOnly()
	answer := make(chan error, 1)
	go func() { answer <- r.ConsumeLogs(context.Background(), logs) }()
	require.Eventually(t, func() bool {
		m, err := r.telemetry.GetMetric("otelcol_exporter_auditlog_refused_batches")
		return err == nil && m.Data.(metricdata.Sum[int64]).DataPoints[0].Value > 2
	}, waitAtMost, pollEvery)
	mend()
	require.NoError(t, <-answer)
	r.stop(t)
	assert.Equal(t, []string{"1", "3"}, writtenIDs(t, partitionOf(c, "good")))
	assert.Equal(t, []string{"2"}, writtenIDs(t, partitionOf(c, "bad")))
	for _, name := range []string{"good", "bad"} {
		verified(t, partitionOf(c, name))
	}
}

// What can never be written keeps nothing else out, in its own partition and in others, and the
// log of its own says so.
func TestARecordThatIsRefusedForGoodInAPartition(t *testing.T) {
	c := testConfig(t, byTenant, func(c *auditlogexporter.Config) { c.Mapping.Strict = true })
	r := start(t, c)
	logs := ofTenant("good", "1")
	addTenant(logs, "vague", "2")
	logs.ResourceLogs().At(1).ScopeLogs().At(0).LogRecords().AppendEmpty()
	err := r.ConsumeLogs(t.Context(), logs)
	require.ErrorContains(t, err, "1 of 3 records refused: 1 strict (resource 1, scope 0, record 1: ")
	require.ErrorContains(t, err, "; the other 2 are in the log")
	assert.True(t, consumererror.IsPermanent(err))
	r.stop(t)
	assert.Equal(t, []string{"1"}, writtenIDs(t, partitionOf(c, "good")))
	assert.Equal(t, []string{"2"}, writtenIDs(t, partitionOf(c, "vague")))
	assert.Empty(t, refusedIn(t, partitionOf(c, "good")))
	assert.Len(t, refusedIn(t, partitionOf(c, "vague")), 1)
}

// Where one partition refuses a record for good and another cannot be written now, the call
// is to be tried again, and its error says both.
func TestRefusedInOnePartitionAndFailedInAnother(t *testing.T) {
	c := testConfig(t, byTenant, func(c *auditlogexporter.Config) { c.Mapping.Strict = true })
	r := start(t, c)
	mend := refuse(t, c, "bad")
	logs := ofTenant("good", "1")
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty()
	addTenant(logs, "bad", "2")
	err := r.ConsumeLogs(t.Context(), logs)
	require.ErrorContains(t, err, "1 of 3 records are not in the audit log, those of partition bad; of the others 1 were refused: 1 strict (resource 0, scope 0, record 1: ")
	assert.False(t, consumererror.IsPermanent(err))
	mend()
	require.Eventually(t, func() bool { return consumererror.IsPermanent(r.ConsumeLogs(t.Context(), logs)) }, waitAtMost, pollEvery)
	r.stop(t)
	assert.Equal(t, []string{"1"}, writtenIDs(t, partitionOf(c, "good")))
	assert.Equal(t, []string{"2"}, writtenIDs(t, partitionOf(c, "bad")))
}

func TestPartitionsThatDoNotStart(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*testing.T, *auditlogexporter.Config)
		says  string
	}{
		"a log that is not divided": {func(t *testing.T, c *auditlogexporter.Config) {
			one := *c
			one.PartitionBy = ""
			start(t, &one).stop(t)
		}, "partition_by: "},
		"no partition can be opened": {func(t *testing.T, c *auditlogexporter.Config) {
			refuse(t, c, "_none")
			refuse(t, c, "acme")
		}, "none of the audit log's partitions can be opened: "},
		"another key": {func(t *testing.T, c *auditlogexporter.Config) {
			start(t, c).stop(t)
			c.Signing.KeyFile += ".other"
			_, err := keyfile.Create(c.Signing.KeyFile, signing.ECDSAP256)
			require.NoError(t, err)
		}, "key"},
		"no key, but logs": {func(t *testing.T, c *auditlogexporter.Config) {
			start(t, c).stop(t)
			require.NoError(t, os.Remove(c.Signing.KeyFile))
		}, "signing::key_file: "},
		"others can write to the directory": {func(t *testing.T, c *auditlogexporter.Config) {
			require.NoError(t, os.Mkdir(c.Directory, 0o777))
			require.NoError(t, os.Chmod(c.Directory, 0o777))
		}, "chmod 700"},
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t, byTenant)
			test.spoil(t, c)
			assert.ErrorContains(t, startError(t, c), test.says)
		})
	}
}

func TestOneExporterForAllPartitions(t *testing.T) {
	c := testConfig(t, byTenant)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("acme", "a")))
	assert.ErrorIs(t, startError(t, c), durable.ErrLocked)
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("other", "b")))
}

// What is no partition's is left alone, and no link leads a log elsewhere.
func TestForeignFilesBesidePartitions(t *testing.T) {
	c := testConfig(t, byTenant)
	start(t, c).stop(t)
	elsewhere := t.TempDir()
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(c.Directory, "linked")))
	require.NoError(t, os.Mkdir(filepath.Join(c.Directory, "lost+found"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(c.Directory, "notes"), nil, 0o600))
	r := start(t, c)
	assert.NotContains(t, r.host.reported(), componentstatus.StatusRecoverableError)
	for _, name := range []string{"linked", "notes"} {
		assert.ErrorContains(t, r.ConsumeLogs(t.Context(), ofTenant(name, "a")), "is not a directory")
	}
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("lost+found", "a")))
	r.stop(t)
	entries, err := os.ReadDir(elsewhere)
	require.NoError(t, err)
	assert.Empty(t, entries)
	assert.Equal(t, []string{"a"}, writtenIDs(t, partitionOf(c, "lost%2bfound")))
}

// The key of all partitions is changed at once.
func TestKeyChangeInAllPartitions(t *testing.T) {
	c := testConfig(t, byTenant, forgetful)
	r := start(t, c)
	logs := ofTenant("a", "1")
	addTenant(logs, "b", "2")
	require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	r.stop(t)
	first := c.Signing.KeyFile
	c.Signing.PreviousKeyFile, c.Signing.KeyFile = first, first+".new"
	_, err := keyfile.Create(c.Signing.KeyFile, signing.Ed25519)
	require.NoError(t, err)
	r = start(t, c)
	addTenant(logs, "c", "3") // a log that never had the first key
	require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	r.stop(t)
	require.NoError(t, os.Remove(first))
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	r.stop(t)
	for name, want := range map[string][]string{"a": {"1", "1", "1"}, "b": {"2", "2", "2"}, "c": {"3", "3"}} {
		one := *partitionOf(c, name)
		if name != "c" {
			one.Signing.KeyFile = first // its public half
		}
		verified(t, &one)
		assert.Equal(t, want, writtenIDs(t, &one))
	}
}

// Idle partitions are maintained, too: rotation by age does not wait for a record.
func TestExistingPartitionsAreMaintained(t *testing.T) {
	c := testConfig(t, byTenant)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), ofTenant("idle", "a")))
	r.stop(t)
	c.Rotation.MaxAge = time.Nanosecond
	r = start(t, c)
	require.Eventually(t, func() bool { return len(verified(t, partitionOf(c, "idle")).Segments) > 1 }, waitAtMost, 50*time.Millisecond)
	r.stop(t)
}

// A shutdown whose time is up says so, and a call that comes late is refused.
func TestShutdownOfPartitions(t *testing.T) {
	c := testConfig(t, byTenant)
	r := start(t, c)
	logs := plog.NewLogs()
	for i := range 20 {
		addTenant(logs, fmt.Sprint("t", i), "a")
	}
	require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	r.stop(t)
	assert.Error(t, r.ConsumeLogs(t.Context(), logs))
	for i := range 20 {
		one := partitionOf(c, fmt.Sprint("t", i))
		assert.FileExists(t, filepath.Join(one.Directory, sidefile.CheckpointName))
		assert.Equal(t, []string{"a"}, writtenIDs(t, one))
	}
	start(t, c).stop(t) // the locks have been given back
}

// However little time a shutdown has, it ends, and leaves no goroutine behind.
func TestShutdownOfPartitionsInNoTime(t *testing.T) {
	c := testConfig(t, byTenant)
	r := start(t, c)
	logs := plog.NewLogs()
	for i := range 20 {
		addTenant(logs, fmt.Sprint("t", i), "a")
	}
	require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_ = r.Shutdown(over) // it may or may not be fast enough
	for i := range 20 {
		assert.Equal(t, []string{"a"}, writtenIDs(t, partitionOf(c, fmt.Sprint("t", i))))
	}
}

// A shutdown that does not wait until all logs are open leaves none open behind it: the
// next exporter could not open them.
func TestShutdownWhilePartitionsAreOpened(t *testing.T) {
	t.Parallel() // it waits for the next attempt at opening
	c := testConfig(t, byTenant, forgetful)
	r := start(t, c)
	logs := plog.NewLogs()
	for i := range 60 {
		addTenant(logs, fmt.Sprint("t", i), "a")
	}
	require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	r.stop(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		r = newExporter(t, c)
		require.NoError(t, r.Start(t.Context(), r.host)) // one of them is open
		_ = r.Shutdown(over)
	}
	r = newExporter(t, c)
	require.Eventually(t, func() bool { return r.Start(t.Context(), r.host) == nil }, waitAtMost, pollEvery)
	require.Eventually(t, func() bool { return r.ConsumeLogs(t.Context(), logs) == nil }, waitAtMost, pollEvery)
	r.stop(t)
}

// A shutdown in the middle of calls that begin logs loses nothing acknowledged.
func TestShutdownWhilePartitionsBegin(t *testing.T) {
	c := testConfig(t, byTenant)
	r := start(t, c)
	const callers = 6
	acknowledged := make([][]string, callers)
	var begun, calling sync.WaitGroup
	begun.Add(callers)
	for caller := range callers {
		calling.Go(func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("%d-%d", caller, n%10)
				if r.ConsumeLogs(context.Background(), ofTenant(name, fmt.Sprint(n))) != nil {
					return
				}
				acknowledged[caller] = append(acknowledged[caller], name+"/"+fmt.Sprint(n))
				if n == 3 {
					begun.Done()
				}
			}
		})
	}
	begun.Wait()
	r.stop(t)
	calling.Wait()
	for _, all := range acknowledged {
		for _, one := range all {
			name, id, _ := strings.Cut(one, "/")
			assert.Contains(t, writtenIDs(t, partitionOf(c, name)), id)
		}
	}
}

func BenchmarkDivide(b *testing.B) {
	for _, tenants := range []int{0, 1, 16} {
		b.Run(fmt.Sprintf("partitions=%d", tenants), func(b *testing.B) {
			c := testConfig(b, inScope(segline.ScopeCheckpoint), func(c *auditlogexporter.Config) {
				c.Sync = "never"
				if tenants > 0 {
					byTenant(c)
				}
			})
			r := start(b, c)
			logs := plog.NewLogs()
			for i := range 16 {
				resource := logs.ResourceLogs().AppendEmpty()
				if tenants > 0 {
					resource.Resource().Attributes().PutStr("tenant.id", fmt.Sprint("tenant-", i%tenants))
				} else {
					resource.Resource().Attributes().PutStr("tenant.id", "tenant-0")
				}
				scope := resource.ScopeLogs().AppendEmpty()
				for range 32 {
					record(scope, "id")
				}
			}
			require.NoError(b, r.ConsumeLogs(b.Context(), logs))
			b.ReportAllocs()
			for b.Loop() {
				if err := r.ConsumeLogs(b.Context(), logs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*512/b.Elapsed().Seconds(), "records/s")
		})
	}
}
