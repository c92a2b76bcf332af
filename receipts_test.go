// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/metadatatest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// receipted has receipts written beside the log.
func receipted(c *auditlogexporter.Config) { c.Receipts.Directory = c.Directory + "-receipts" }

// receiptsIn returns all receipts below a directory, each of which proves what it says.
func receiptsIn(t testing.TB, dir string) (all []*receipt.Receipt) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "receipts-*.jsonl"))
	require.NoError(t, err)
	for _, name := range names {
		f, err := os.Open(name)
		require.NoError(t, err)
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, receipt.MaxBytes)
		for lines.Scan() {
			r, err := receipt.Parse(lines.Bytes())
			require.NoError(t, err)
			_, err = r.Check()
			require.NoError(t, err)
			all = append(all, r)
		}
		require.NoError(t, lines.Err())
		require.NoError(t, f.Close())
	}
	return all
}

func idsOfReceipts(all []*receipt.Receipt) (ids []string) {
	for _, r := range all {
		ids = append(ids, r.EventID)
	}
	return ids
}

// A shutdown waits until each event that was acknowledged has its receipt, and a restart
// goes on. What came again has the one it had.
func TestReceipts(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			c := testConfig(t, inScope(scope), receipted)
			var want []string
			for range 3 {
				r := start(t, c)
				more := ids("id", len(want)+500)
				require.NoError(t, r.ConsumeLogs(t.Context(), records(more...)))
				r.stop(t)
				ignore := metricdatatest.IgnoreTimestamp()
				metadatatest.AssertEqualExporterAuditlogReceipts(t, r.telemetry, points("", 500), ignore)
				report := verified(t, c)
				metadatatest.AssertEqualExporterAuditlogReceiptedSize(t, r.telemetry, points("", int64(report.TreeSize)), ignore)
				want = more
			}
			all := receiptsIn(t, c.Receipts.Directory)
			assert.Equal(t, want, idsOfReceipts(all))
			for i := 1; i < len(all); i++ {
				require.Less(t, all[i-1].Index, all[i].Index)
			}
		})
	}
}

// An event without an id of its own has the id that the log gave it.
func TestReceiptsOfRecordsWithoutIDs(t *testing.T) {
	c := testConfig(t, receipted)
	r := start(t, c)
	logs := records("a", "b")
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(1).Attributes().Remove("audit.record.id")
	require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	r.stop(t)
	assert.Equal(t, writtenIDs(t, c), idsOfReceipts(receiptsIn(t, c.Receipts.Directory)))
}

func TestReceiptsOfPartitions(t *testing.T) {
	c := testConfig(t, byTenant, receipted)
	r := start(t, c)
	logs := plog.NewLogs()
	addTenant(logs, "a", "1", "2")
	addTenant(logs, "b", "3")
	require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	r.stop(t)
	for name, want := range map[string][]string{"a": {"1", "2"}, "b": {"3"}} {
		all := receiptsIn(t, filepath.Join(c.Receipts.Directory, name))
		assert.Equal(t, want, idsOfReceipts(all))
		assert.Contains(t, string(all[0].Checkpoint), c.Origin+"/"+name+"\n")
	}
}

// The log does not depend on its receipts: events are acknowledged when those cannot be
// written, which the status tells, and have them later.
func TestReceiptsThatCannotBeWritten(t *testing.T) {
	for name, change := range map[string]func(*auditlogexporter.Config){"one log": func(*auditlogexporter.Config) {}, "partitions": byTenant} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t, receipted, change)
			r := start(t, c)
			require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
			away := c.Receipts.Directory + "-away"
			require.NoError(t, os.Rename(c.Receipts.Directory, away))
			require.NoError(t, os.WriteFile(c.Receipts.Directory, nil, 0o600))
			require.NoError(t, r.ConsumeLogs(t.Context(), records("b")))
			require.Eventually(t, func() bool { return r.host.says("receipts") }, waitAtMost, pollEvery)
			reported := r.host.reported()
			assert.Equal(t, componentstatus.StatusRecoverableError, reported[len(reported)-1])
			require.NoError(t, r.ConsumeLogs(t.Context(), records("c")))
			r.stop(t)

			require.NoError(t, os.RemoveAll(c.Receipts.Directory))
			require.NoError(t, os.Rename(away, c.Receipts.Directory))
			r = start(t, c)
			r.stop(t)
			dir := c.Receipts.Directory
			if c.PartitionBy != "" {
				dir = filepath.Join(dir, "_none")
			}
			assert.Equal(t, []string{"a", "b", "c"}, idsOfReceipts(receiptsIn(t, dir)))
			assert.Empty(t, r.host.reported())
		})
	}
}

// A directory that another log has receipts in gets none of this one.
func TestReceiptsOfAnotherLog(t *testing.T) {
	c := testConfig(t, receipted)
	other := testConfig(t)
	other.Receipts = c.Receipts
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
	r.stop(t)
	had := receiptsIn(t, c.Receipts.Directory)
	r = start(t, other)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("b")))
	require.Eventually(t, func() bool { return r.host.says("another log") }, waitAtMost, pollEvery)
	r.stop(t)
	assert.Equal(t, []string{"b"}, writtenIDs(t, other))
	assert.Equal(t, had, receiptsIn(t, c.Receipts.Directory))
}

// While receipts cannot be written, commits do not have it tried again, and the host is
// told once. A shutdown tries for the last time.
func TestReceiptsAreNotTriedWithEachCommit(t *testing.T) {
	c := testConfig(t, receipted)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
	away := c.Receipts.Directory + "-away"
	require.NoError(t, os.Rename(c.Receipts.Directory, away))
	require.NoError(t, os.WriteFile(c.Receipts.Directory, nil, 0o600))
	want := ids("id", 50)
	for _, id := range want {
		require.NoError(t, r.ConsumeLogs(t.Context(), records(id)))
	}
	require.Eventually(t, func() bool { return r.host.says("receipts") }, waitAtMost, pollEvery)
	require.NoError(t, os.RemoveAll(c.Receipts.Directory))
	require.NoError(t, os.Rename(away, c.Receipts.Directory))
	r.stop(t)
	assert.Equal(t, append([]string{"a"}, want...), idsOfReceipts(receiptsIn(t, c.Receipts.Directory)))
	failures := 0
	for _, s := range r.host.reported() {
		if s == componentstatus.StatusRecoverableError {
			failures++
		}
	}
	// The file that was open is found to be gone, then the directory to be none.
	assert.LessOrEqual(t, failures, 2)
}

// The directory of the partitions' receipts is kept as well as each of them: whoever could
// write to it could have them written elsewhere.
func TestReceiptsOfPartitionsStayWithin(t *testing.T) {
	c := testConfig(t, byTenant, receipted)
	require.NoError(t, os.Mkdir(c.Receipts.Directory, 0o700))
	elsewhere := t.TempDir()
	require.NoError(t, os.Chmod(elsewhere, 0o700))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(c.Receipts.Directory, "a")))
	r := start(t, c)
	logs := plog.NewLogs()
	addTenant(logs, "a", "1")
	addTenant(logs, "b", "2")
	require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	require.Eventually(t, func() bool { return r.host.says("to which no link leads") }, waitAtMost, pollEvery)
	r.stop(t)
	assert.Equal(t, []string{"2"}, idsOfReceipts(receiptsIn(t, filepath.Join(c.Receipts.Directory, "b"))))
	entries, err := os.ReadDir(elsewhere)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

// Which events go without is not only counted: the collector's log says why.
func TestWhyEventsGoWithoutReceipts(t *testing.T) {
	c := testConfig(t, receipted)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
	r.stop(t)
	c.Rotation.MaxAge = 1 // the next start goes on in another segment
	segments, err := filepath.Glob(filepath.Join(c.Directory, "audit-*"))
	require.NoError(t, err)
	require.Len(t, segments, 1)
	content, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("b")))
	r.stop(t)
	// All receipts are to be written anew, but the first segment is damaged.
	begun := filepath.Join(c.Receipts.Directory, "receipts-00000000000000000000.jsonl")
	require.NoError(t, os.RemoveAll(c.Receipts.Directory))
	require.NoError(t, os.Mkdir(c.Receipts.Directory, 0o700))
	require.NoError(t, os.WriteFile(begun, nil, 0o600))
	for _, name := range segments {
		require.NoError(t, os.RemoveAll(name))
		require.NoError(t, os.RemoveAll(name+".zst"))
		require.NoError(t, os.WriteFile(name, bytes.Replace(content, []byte(`"a"`), []byte(`"x"`), 1), 0o600))
	}
	r = start(t, c)
	r.stop(t)
	why := r.logged.FilterMessage("Events go without receipts").All()
	require.Len(t, why, 1)
	assert.Contains(t, why[0].ContextMap()["error"], filepath.Base(segments[0]))
}

// With on_conflict: record both records have receipts; that which tells of it, like all
// events of the log's own, has none.
func TestReceiptsOfConflicts(t *testing.T) {
	c := testConfig(t, receipted, func(c *auditlogexporter.Config) { c.Idempotency.OnConflict = "record" })
	r := start(t, c)
	other := records("a")
	other.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr("something else")
	for _, logs := range []plog.Logs{records("a"), other, records("a"), other} {
		require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	}
	r.stop(t)
	all := receiptsIn(t, c.Receipts.Directory)
	assert.Equal(t, []string{"a", "a"}, idsOfReceipts(all))
	assert.NotEqual(t, all[0].LeafHash, all[1].LeafHash)
}

// Receipts go over from key to key with the log, which leads from the first one to all.
func TestReceiptsWithAKeyForEachSegment(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			c := testConfig(t, inScope(scope), receipted)
			c.Signing.RotateKey = "segment"
			c.Rotation.MaxSizeMiB = 1
			r := start(t, c)
			first, err := keyfile.LoadPublic(keyfile.PublicPath(c.Signing.KeyFile))
			require.NoError(t, err)
			const calls, each = 30, 150
			for call := range calls {
				require.NoError(t, r.ConsumeLogs(t.Context(), records(ids(fmt.Sprint(call), each)...)))
			}
			r.stop(t)
			held := &receipt.Set{}
			names, err := filepath.Glob(filepath.Join(c.Receipts.Directory, "receipts-*.jsonl"))
			require.NoError(t, err)
			for _, name := range names {
				content, err := os.ReadFile(name)
				require.NoError(t, err)
				require.NoError(t, held.Read(name, bytes.NewReader(content)))
			}
			report, err := verify.Log(t.Context(), os.DirFS(c.Directory), verify.Options{Keys: []*signing.PublicKey{first}, Receipts: held})
			require.NoError(t, err)
			assert.False(t, report.TamperingDetected, "%+v", report.Findings)
			assert.Greater(t, len(report.Segments), 1)
			assert.Equal(t, calls*each, report.ReceiptsHonored)
			_, err = proof.CheckReceipts(held, proof.Options{Keys: []*signing.PublicKey{first}})
			assert.ErrorIs(t, err, verify.ErrWrongKey)
		})
	}
}
