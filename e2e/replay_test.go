// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

// A log that is replayed into another collector makes the same events there, those of
// records that no JSON can hold among them.
func TestReplayIntoAnotherCollector(t *testing.T) {
	from, to := newSite(t, "rotation: {max_size_mib: 1}"), newSite(t, "")
	p := from.start(t)
	const filled = 2000
	from.fill(t, "id", filled)
	odd := request(0, "odd-1", "odd-2")
	records := odd.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	records.At(0).Body().SetStr("\xff\x00\x1b[2J")
	records.At(0).Attributes().PutStr("user.id", "\xff")
	records.At(1).Attributes().PutEmptyMap("map").PutInt("$int", 1<<62)
	odd.ResourceLogs().At(0).SetSchemaUrl("https://schema.example/1.0")
	require.NoError(t, from.post(odd))
	p.stop(t)

	q := to.start(t)
	code, out := runAuditlog(t, "replay", from.log, "--endpoint", to.grpc, "--insecure", "--key", from.public)
	require.Zero(t, code)
	assert.Contains(t, string(out), strconv.Itoa(filled+2)+" events acknowledged")
	q.stop(t)

	assert.Equal(t, exported(t, from.log, "jsonl"), exported(t, to.log, "jsonl"))
	code, report := runVerify(t, to.log, "--key", to.public)
	require.Zero(t, code, "%+v", report)

	// What is exported as OTLP in JSON is read by who reads that.
	n := 0
	for _, line := range exported(t, from.log, "otlp-json") {
		logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs([]byte(line))
		require.NoError(t, err)
		n += logs.LogRecordCount()
	}
	assert.Equal(t, filled+2, n)
}

// A replay that a killed receiver ends says where to go on, and from there nothing is
// missing and, by the records' ids, nothing there twice.
func TestReplayGoesOn(t *testing.T) {
	from, to := newSite(t, ""), newSite(t, "")
	p := from.start(t)
	const filled = 3000
	from.fill(t, "id", filled)
	p.stop(t)

	q := to.start(t)
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), auditlog, "replay", from.log, "--endpoint", to.grpc, "--insecure", "--batch", "1")
	cmd.Stdout = &out
	require.NoError(t, cmd.Start())
	eventually(t, "some events have arrived", func() bool {
		names, err := filepath.Glob(filepath.Join(to.log, "audit-*.jsonl"))
		require.NoError(t, err)
		require.Len(t, names, 1)
		info, err := os.Stat(names[0])
		require.NoError(t, err)
		return info.Size() > 100_000
	})
	q.kill(t)
	require.Error(t, cmd.Wait(), "it came to the end before the receiver was killed: %s", out.String())
	goOn := regexp.MustCompile(`--from-index (\d+)\n$`).FindStringSubmatch(out.String())
	require.NotNil(t, goOn, out.String())

	q = to.start(t)
	code, _ := runAuditlog(t, "replay", from.log, "--endpoint", to.grpc, "--insecure", "--key", from.public, "--from-index", goOn[1])
	require.Zero(t, code)
	q.stop(t)
	assert.Equal(t, exported(t, from.log, "jsonl"), exported(t, to.log, "jsonl"))
	code, report := runVerify(t, to.log, "--key", to.public)
	require.Zero(t, code, "%+v", report)
}

// exported returns the lines of an export, without the log's own events.
func exported(t *testing.T, dir, format string) (lines []string) {
	t.Helper()
	code, out := runAuditlog(t, "export", dir, "--format", format)
	require.Zero(t, code)
	for line := range bytes.Lines(out) {
		if !bytes.Contains(line, []byte(`"resource_type":"audit_log"`)) {
			lines = append(lines, string(line))
		}
	}
	return lines
}
