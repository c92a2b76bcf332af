// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/verify"
)

// generate has telemetrygen, a client that knows nothing of us, send records. It
// fails if any is not acknowledged.
func generate(t *testing.T, endpoint string, workers, each int, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), telemetrygen, append([]string{"logs",
		"--otlp-endpoint", endpoint, "--otlp-insecure",
		"--workers", strconv.Itoa(workers), "--logs", strconv.Itoa(each), "--rate", "0", "--batch-size", "20",
		"--telemetry-attributes", `audit.action="user.login"`,
		"--telemetry-attributes", `user.id="alice"`,
	}, args...)...)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
}

func TestEveryRecordIsVerified(t *testing.T) {
	s := newSite(t, "")
	require.NoError(t, os.WriteFile(s.tailed, []byte(lines("early", 60)), 0o600))
	p := s.start(t)

	generate(t, s.grpc, 3, 100)
	generate(t, s.http, 2, 100, "--otlp-http")
	appendTo(t, s.tailed, lines("late", 40))
	const want = 3*100 + 2*100 + 60 + 40
	eventually(t, "the tailed lines are in the log, which can be verified while it is written", func() bool {
		code, report := runVerify(t, s.log, "--key", s.public)
		require.Zero(t, code, "%+v", report)
		return report.TotalEvents-report.OwnEvents == want
	})
	p.stop(t)

	code, report := runVerify(t, s.log, "--key", s.public)
	require.Zero(t, code)
	assert.EqualValues(t, want, report.TotalEvents-report.OwnEvents)
	assert.Equal(t, report.TotalEvents, report.VerifiedEvents)
	assert.Zero(t, report.FailedEvents)
	assert.Zero(t, report.UnsignedEvents)
	assert.False(t, report.TamperingDetected)
	assert.False(t, report.SelfAttested)
	assert.Equal(t, "e2e.example/auditlog", report.Origin)
	assert.Len(t, show(t, s.log, "--user", "alice"), 500)

	code, report = runVerify(t, s.log)
	require.Zero(t, code)
	assert.True(t, report.SelfAttested, "without a key it proves consistency, not authorship")
}

// A second start reads no line of the file again, and continues the log.
func TestRestartWritesNoLineTwice(t *testing.T) {
	s := newSite(t, "")
	require.NoError(t, os.WriteFile(s.tailed, []byte(lines("early", 10)), 0o600))
	for _, want := range []uint64{10, 25} {
		p := s.start(t)
		eventually(t, "the lines are in the log", func() bool {
			_, report := runVerify(t, s.log, "--key", s.public)
			return report.TotalEvents-report.OwnEvents == want
		})
		p.stop(t)
		appendTo(t, s.tailed, lines("late", 15))
	}
	code, report := runVerify(t, s.log, "--key", s.public)
	require.Zero(t, code)
	assert.EqualValues(t, 25, report.TotalEvents-report.OwnEvents)
}

func TestWrongKeyIsNoTampering(t *testing.T) {
	s := newSite(t, "")
	p := s.start(t)
	require.NoError(t, s.post(request(0, "a")))
	p.stop(t)
	other := filepath.Join(t.TempDir(), "other.pem")
	code, _ := runAuditlog(t, "keygen", "--out", other)
	require.Zero(t, code)
	code, _ = runVerify(t, s.log, "--key", strings.TrimSuffix(other, ".pem")+".pub.pem")
	assert.Equal(t, 2, code, "it could not be checked")
}

// quickStart runs what `make run` starts, in a directory, until all sample lines are in the
// log, and returns how many there are.
func quickStart(t *testing.T, dir string) (want int) {
	t.Helper()
	samples := filepath.Join(dir, "testdata", "quickstart")
	if _, err := os.Stat(samples); err != nil { // this is the first start
		require.NoError(t, os.CopyFS(samples, os.DirFS(filepath.Join("..", "testdata", "quickstart"))))
	}
	files, err := filepath.Glob(filepath.Join(samples, "*.log"))
	require.NoError(t, err)
	for _, path := range files {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		want += strings.Count(string(content), "\n")
	}
	require.Positive(t, want)
	a := freeAddresses(t, 3)
	log, public := filepath.Join(dir, "audit-log"), filepath.Join(dir, "audit-log-key.pub.pem")
	p := startCollector(t, dir, a[2],
		"--config", filepath.Join("testdata", "quickstart", "config.yaml"),
		"--set", "receivers::otlp::protocols::grpc::endpoint="+a[0],
		"--set", "receivers::otlp::protocols::http::endpoint="+a[1],
		"--set", "extensions::health_check::http::endpoint="+a[2],
		"--set", "service::telemetry::metrics::level=none", statusGate)
	eventually(t, "the sample lines are in the log", func() bool {
		_, report := runVerify(t, log, "--key", public)
		return report.TotalEvents-report.OwnEvents >= uint64(want)
	})
	p.stop(t)
	return want
}

// What `make run` starts: the sample files become events that say who did what, from
// where, and with what outcome.
func TestQuickStart(t *testing.T) {
	dir := t.TempDir()
	log, public := filepath.Join(dir, "audit-log"), filepath.Join(dir, "audit-log-key.pub.pem")
	quickStart(t, dir)
	want := quickStart(t, dir)
	code, report := runVerify(t, log, "--key", public)
	require.Zero(t, code)
	assert.EqualValues(t, want, report.TotalEvents-report.OwnEvents, "each line once, in two starts")
	for _, f := range report.Findings {
		assert.Equal(t, verify.Info, f.Severity, "%+v", f)
	}

	failures := show(t, log, "--category", "authentication", "--success", "false")
	require.NotEmpty(t, failures)
	fromSomewhere := 0
	for _, e := range failures {
		assert.Equal(t, "security", e.Level, "%+v", e)
		assert.NotEmpty(t, e.UserID, "%+v", e)
		if e.SourceIP != "" {
			fromSomewhere++
		}
	}
	assert.Positive(t, fromSomewhere)
	assert.NotEmpty(t, show(t, log, "--category", "authentication", "--success", "true"))
	assert.NotEmpty(t, show(t, log, "--category", "authorization"))
}

func lines(prefix string, n int) string {
	var b strings.Builder
	for _, id := range numbered(prefix, n) {
		fmt.Fprintln(&b, id, "something happened")
	}
	return b.String()
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
