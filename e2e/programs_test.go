// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/verify"
)

// The programs under test.
var collector, telemetrygen, auditlog string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return 0, err
	}
	if collector, err = program("AUDITLOG_COLLECTOR", filepath.Join(root, "build", "otelcol-auditlog", "otelcol-auditlog")); err != nil {
		return 0, err
	}
	if telemetrygen, err = program("AUDITLOG_TELEMETRYGEN", filepath.Join(root, ".tools", "bin", "telemetrygen")); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "auditlog-e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	auditlog = filepath.Join(dir, "auditlog")
	build := exec.Command("go", "build", "-o", auditlog, "./cmd/auditlog")
	build.Dir = root
	build.Env = append(os.Environ(), "GOWORK=") // go.work, which make turns off
	if output, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the auditlog command: %w\n%s", err, output)
	}
	return m.Run(), nil
}

func program(variable, usual string) (string, error) {
	path := os.Getenv(variable)
	if path == "" {
		path = usual
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the end-to-end tests need a program: build it first, or say in %s where it is: %w", variable, err)
	}
	return filepath.Abs(path)
}

// runAuditlog runs the auditlog command and returns its exit code and output.
func runAuditlog(t *testing.T, args ...string) (code int, stdout []byte) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), auditlog, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	if errs.Len() > 0 {
		t.Logf("auditlog %s: %s", strings.Join(args, " "), errs.String())
	}
	return cmd.ProcessState.ExitCode(), out.Bytes()
}

// runVerify runs auditlog verify and returns its exit code and report.
func runVerify(t *testing.T, dir string, args ...string) (int, *verify.Report) {
	t.Helper()
	code, out := runAuditlog(t, append([]string{"verify", dir, "--json"}, args...)...)
	if code == 2 {
		return code, nil
	}
	report := new(verify.Report)
	require.NoError(t, json.Unmarshal(out, report), "%s", out)
	return code, report
}

// shown is what the tests look at in an event that auditlog show prints.
type shown struct {
	EventID  string         `json:"event_id"`
	Level    string         `json:"level"`
	Category string         `json:"category"`
	UserID   string         `json:"user_id"`
	SourceIP string         `json:"source_ip"`
	Success  *bool          `json:"success"`
	Body     any            `json:"body"`
	Log      map[string]any `json:"log"`
}

// show returns the events that auditlog show prints.
func show(t *testing.T, dir string, args ...string) []shown {
	t.Helper()
	code, out := runAuditlog(t, append([]string{"show", dir, "--json"}, args...)...)
	require.Zero(t, code)
	var events []shown
	for line := range bytes.Lines(out) {
		var e shown
		require.NoError(t, json.Unmarshal(line, &e), "%s", line)
		events = append(events, e)
	}
	return events
}
