// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/verify"
)

// withIDs is a request with a record for each id.
func withIDs(body string, ids ...string) plog.Logs {
	logs := request(0)
	for _, id := range ids {
		r := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty()
		r.SetTimestamp(1_795_000_000_000_000_000)
		r.Attributes().PutStr("audit.record.id", id)
		r.Body().SetStr(body)
	}
	return logs
}

// A client that sends its records again, because the collector was killed before it could
// answer or for any other reason, has them in the log once; another record with a known
// id is refused for good, if so configured, and the log verifies without a word.
func TestRecordsThatComeAgain(t *testing.T) {
	for _, scope := range []string{"event", "checkpoint"} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, "idempotency: {on_conflict: refuse}\n    rotation: {max_size_mib: 1}")
			w.scope = scope
			p := w.start(t)
			var all []string
			for i := range 3000 {
				all = append(all, fmt.Sprintf("%s-%04d", scope, i))
			}
			require.NoError(t, w.post(withIDs("x", all[:2000]...)))
			require.NoError(t, w.post(withIDs("x", all[1000:]...)))
			assert.EqualValues(t, 1000, w.metric(t, "repeated_events", ""))
			p.kill(t)
			p = w.start(t)
			for range 2 {
				require.NoError(t, w.post(withIDs("x", all...)), "after it was killed")
			}
			assert.EqualValues(t, 6000, w.metric(t, "repeated_events", ""))
			err := w.post(withIDs("y", "new", all[7]))
			require.Error(t, err)
			assert.Contains(t, err.Error(), fmt.Sprintf("the log holds another event with the id %q", all[7]))
			assert.NotContains(t, err.Error(), "503", "OTLP: that would ask for a retry")
			p.stop(t)

			all = append(all, "new")
			assert.Equal(t, all, shownIDs(t, w.log))
			code, report := runVerify(t, w.log, "--key", w.public)
			require.Zero(t, code, "%+v", report)
			assert.Empty(t, report.Findings)
		})
	}
}

// By default it is written, and an event of the log's own says so.
func TestAnotherRecordWithAKnownID(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	p := s.start(t)
	require.NoError(t, s.post(withIDs("x", "id\x1b[2J")))
	require.NoError(t, s.post(withIDs("y", "id\x1b[2J")))
	p.stop(t)
	code, out := runAuditlog(t, "show", s.log, "--level", "warning")
	require.Zero(t, code)
	assert.Regexp(t, `auditlog\.id_conflict .* id="id\\x1b\[2J"  content=[0-9a-f]{64}  logged=[0-9a-f]{64}`, string(out))
	code, report := runVerify(t, s.log, "--key", s.public)
	require.Zero(t, code, "%+v", report)
	require.Len(t, report.Findings, 1)
	assert.Equal(t, verify.Kind("duplicate_event_id"), report.Findings[0].Kind)
}
