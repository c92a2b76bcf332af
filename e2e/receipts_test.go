// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// receiptsBack is a pipeline that sends receipts on as log records, as docs/receipts.md
// has it.
const receiptsBack = `
receivers:
  file_log/receipts:
    include: [$RECEIPTS/receipts-*.jsonl]
    start_at: beginning
    storage: file_storage
    poll_interval: 50ms
    operators:
      - {type: json_parser, parse_to: attributes}
exporters:
  file/receipts: {path: $DIR/back.json, append: true, flush_interval: 50ms}
service:
  pipelines:
    logs/receipts: {receivers: [file_log/receipts], exporters: [file/receipts]}
`

// receiptsOf returns the receipts below a directory by the ids of their events; each id
// has one.
func receiptsOf(t *testing.T, dir string) map[string]*receipt.Receipt {
	t.Helper()
	all := map[string]*receipt.Receipt{}
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
			require.NotContains(t, all, r.EventID, "an event has one receipt")
			all[r.EventID] = r
		}
		require.NoError(t, lines.Err())
		require.NoError(t, f.Close())
	}
	return all
}

// sentBack returns the ids in receipts that came back as log records.
func sentBack(t *testing.T, path string) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	content, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return ids
	}
	require.NoError(t, err)
	for line := range strings.Lines(string(content)) {
		logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs([]byte(line))
		if err != nil && !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		require.NoError(t, err)
		for _, resource := range logs.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					id, ok := record.Attributes().Get("event_id")
					require.True(t, ok)
					_, ok = record.Attributes().Get("checkpoint")
					require.True(t, ok)
					ids[id.Str()] = true
				}
			}
		}
	}
	return ids
}

// A collector that is killed again and again leaves a receipt for each event that it
// acknowledged, and only one; they come back as log records; the log is held to them.
func TestReceipts(t *testing.T) {
	for _, scope := range []string{"event", "checkpoint"} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "")
			s.scope = scope
			receipts := filepath.Join(s.dir, "audit-receipts")
			s.exporter = "receipts: {directory: " + receipts + "}"
			back := filepath.Join(s.dir, "back.yaml")
			require.NoError(t, os.WriteFile(back, []byte(strings.NewReplacer("$RECEIPTS", receipts, "$DIR", s.dir).Replace(receiptsBack)), 0o600))
			main := filepath.Join(s.dir, "main.yaml")
			require.NoError(t, os.WriteFile(main, []byte(s.config()), 0o600))
			run := func(more ...string) *process {
				return startCollector(t, s.dir, s.health, append([]string{"--config", main}, more...)...)
			}

			var want []string
			send := func(n int) {
				var ids []string
				for range n {
					ids = append(ids, fmt.Sprintf("%s-%05d", scope, len(want)+len(ids)))
				}
				require.NoError(t, s.post(request(0, ids...)))
				want = append(want, ids...)
			}
			for range 4 {
				p := run()
				send(200)
				send(1)
				p.kill(t)
			}
			before := copyLog(t, s.log)
			// What a kill takes out of a pipeline's memory is not sent again, so it is there
			// once nobody is killed any more.
			p := run("--config", back)
			send(500)
			eventually(t, "all receipts come back as log records", func() bool { return len(sentBack(t, filepath.Join(s.dir, "back.json"))) == len(want) })
			p.stop(t)

			all := receiptsOf(t, receipts)
			require.Len(t, all, len(want))
			for _, id := range want {
				require.Contains(t, all, id)
				_, err := all[id].Check()
				require.NoError(t, err)
			}
			code, report := runVerify(t, s.log, "--key", s.public, "--receipts", receipts)
			require.Zero(t, code, "%+v", report)
			assert.Equal(t, len(want), report.Receipts)
			assert.Equal(t, len(want), report.ReceiptsHonored)

			// The event that a receipt is for is shown by a proof.
			code, text := runAuditlog(t, "prove", s.log, "--event-id", want[7])
			require.Zero(t, code)
			proven, err := proof.Parse(text)
			require.NoError(t, err)
			assert.Equal(t, all[want[7]].Index, proven.Index)
			assert.Equal(t, all[want[7]].LeafHash, tlog.RecordHash(proven.Line))

			// Somebody puts back what the log was before: nothing else would tell.
			code, report = runVerify(t, before, "--key", s.public)
			require.Zero(t, code, "%+v", report)
			code, report = runVerify(t, before, "--key", s.public, "--receipts", receipts)
			require.Equal(t, 1, code)
			assert.Equal(t, verify.ReceiptUnfulfilled, report.Findings[0].Kind)
			assert.Equal(t, len(want)-500, report.ReceiptsHonored)
		})
	}
}
