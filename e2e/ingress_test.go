// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

// vectorOf returns a record with a proof that another implementation has made.
func vectorOf(t *testing.T, name string) plog.Logs {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", "vectors", "ingress", "vectors.json"))
	require.NoError(t, err)
	var all []struct {
		Name string
		Logs json.RawMessage
	}
	require.NoError(t, json.Unmarshal(b, &all))
	for _, v := range all {
		if v.Name == name {
			logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(v.Logs)
			require.NoError(t, err)
			return logs
		}
	}
	require.Fail(t, "no such vector", name)
	return plog.Logs{}
}

// trusting is the configuration that trusts the producers of the vectors.
func trusting(t *testing.T, mode string) string {
	t.Helper()
	file := func(name string) string {
		path, err := filepath.Abs(filepath.Join("..", "testdata", "vectors", "ingress", name))
		require.NoError(t, err)
		return path
	}
	secret, err := os.ReadFile(file("hmac.key"))
	require.NoError(t, err)
	private := filepath.Join(t.TempDir(), "hmac.key")
	require.NoError(t, os.WriteFile(private, secret, 0o600))
	return fmt.Sprintf(`ingress_verification: %s
    producers:
      - {name: self-signed, certificate_file: %q}
      - {name: authority, certificate_file: %q}
      - {name: public-key, public_key_file: %q}
      - {name: secret, hmac_key_file: %q}`, mode, file("p256.crt"), file("authority.crt"), file("ed25519.pub.pem"), private)
}

// proofs returns what show says of the proofs of clients' events, in order.
func proofs(t *testing.T, dir string) (all []map[string]string) {
	t.Helper()
	code, out := runAuditlog(t, "show", dir, "--json")
	require.Zero(t, code)
	for line := range bytes.Lines(out) {
		var e struct {
			Log     json.RawMessage
			Ingress map[string]string
		}
		require.NoError(t, json.Unmarshal(line, &e), "%s", line)
		if e.Log == nil {
			all = append(all, e.Ingress)
		}
	}
	return all
}

// What came of a producer's proof is in the event, and the log verifies.
func TestProofsOfProducersAreMarked(t *testing.T) {
	for _, scope := range []string{"event", "checkpoint"} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, trusting(t, "mark")+"\n    idempotency: {max_events: 0}")
			s.scope = scope
			p := s.start(t)
			for _, name := range []string{
				"a login, ES256, fingerprint", "every kind of value, RS256, certificate of an authority", "every kind of value, EdDSA, no reference", "a login, HMAC-SHA256",
				"the body changed", "no proof", "a certificate that nobody knows", "another canonicalization",
			} {
				require.NoError(t, s.post(vectorOf(t, name)), name)
			}
			// A look-alike is the client's, not the log's.
			forged := vectorOf(t, "no proof")
			forged.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutEmptyMap("ingress").PutStr("result", "verified")
			require.NoError(t, s.post(forged))
			p.stop(t)

			var got []string
			for _, one := range proofs(t, s.log) {
				got = append(got, one["result"]+" "+one["producer"])
			}
			assert.Equal(t, []string{
				"verified self-signed", "verified authority", "verified public-key", "verified secret", "failed ", "unsigned ", "unknown_key ", "unsupported ", "unsigned ",
			}, got)
			code, report := runVerify(t, s.log, "--key", s.public)
			require.Zero(t, code, "%+v", report)
			code, out := runAuditlog(t, "show", s.log)
			require.Zero(t, code)
			assert.Contains(t, string(out), "proof=verified  by=authority")
			assert.Contains(t, string(out), "proof=failed  because=signature")
			code, out = runAuditlog(t, "export", s.log, "--format", "csv")
			require.Zero(t, code)
			assert.Contains(t, string(out), `""result"":""unknown_key""`)
		})
	}
}

// A call with a record that has no good proof is refused for good, with the reason.
func TestRecordsWithoutGoodProofAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, trusting(t, "refuse"))
	p := s.start(t)
	require.NoError(t, s.post(vectorOf(t, "a login, EdDSA, no reference")))
	for name, says := range map[string]string{
		"the body changed": "the record is failed (signature)",
		"no proof":         "the record is unsigned",
		"a key id":         "the record is unsupported (key_reference)",
	} {
		logs := vectorOf(t, "a login, EdDSA, no reference")
		vectorOf(t, name).ResourceLogs().MoveAndAppendTo(logs.ResourceLogs())
		err := s.post(logs)
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), "resource 1, scope 0, record 0: ingress_verification: refuse: ")
		assert.Contains(t, err.Error(), says)
		assert.NotContains(t, err.Error(), "503", "OTLP: that would ask for a retry")
	}
	p.stop(t)
	assert.Len(t, proofs(t, s.log), 1)
	code, report := runVerify(t, s.log, "--key", s.public)
	require.Zero(t, code, "%+v", report)
}

// A gap in a producer's stream is in the log and in the metrics, also if the collector
// was killed in between.
func TestGapsInStreamsAreFound(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "sequences: {max_streams: 100}")
	sent := map[int64]int{}
	send := func(numbers ...int64) {
		t.Helper()
		logs := request(0)
		for _, n := range numbers {
			r := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty()
			r.SetTimestamp(1_795_000_000_000_000_000)
			id := fmt.Sprint("record-", n)
			if sent[n]++; sent[n] > 1 {
				id += "-again" // another record with this number, and no retry
			}
			r.Attributes().PutStr("audit.record.id", id)
			r.Attributes().PutStr("audit.sequence.stream_id", "stream\x1b[2J")
			r.Attributes().PutInt("audit.sequence.number", n)
		}
		require.NoError(t, w.post(logs))
	}
	p := w.start(t)
	send(1, 2, 3)
	send(7)
	assert.EqualValues(t, 1, w.metric(t, "sequence_findings", `kind="gap"`))
	p.kill(t)
	p = w.start(t)
	send(8)
	assert.Zero(t, w.metric(t, "sequence_findings", `kind="gap"`), "counted since the start")
	send(10)
	assert.EqualValues(t, 1, w.metric(t, "sequence_findings", `kind="gap"`))
	send(10)
	assert.EqualValues(t, 1, w.metric(t, "sequence_findings", `kind="repeat"`))
	p.stop(t)

	var said []any
	for _, e := range show(t, w.log) {
		if s, ok := e.Log["sequence"].(map[string]any); ok {
			assert.Equal(t, "warning", e.Level)
			said = append(said, e.Log["action"], s["number"], s["expected"], s["missing"])
		}
	}
	assert.Equal(t, []any{"sequence_gap", "7", "4", "3", "sequence_gap", "10", "9", "1", "sequence_repeat", "10", "11", nil}, said)
	code, out := runAuditlog(t, "show", w.log, "--level", "warning")
	require.Zero(t, code)
	assert.Contains(t, string(out), `auditlog.sequence_gap`)
	assert.Contains(t, string(out), `stream="stream\x1b[2J"  record=record-7  number=7  expected=4  missing=3`)
	code, report := runVerify(t, w.log, "--key", w.public)
	require.Zero(t, code, "%+v", report)
	for _, format := range []string{"jsonl", "csv", "ocsf"} { // OTLP has records alone
		code, out := runAuditlog(t, "export", w.log, "--format", format)
		require.Zero(t, code)
		assert.Contains(t, string(out), "sequence_gap", format)
	}
}
