// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/metadatatest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// testConfig is the default configuration with its files in a fresh directory.
func testConfig(t testing.TB, changes ...func(*auditlogexporter.Config)) *auditlogexporter.Config {
	t.Helper()
	dir := t.TempDir()
	c := defaultConfig()
	c.Directory = filepath.Join(dir, "log")
	c.Origin = "test.example/auditlog"
	c.Signing.KeyFile = filepath.Join(dir, "key.pem")
	c.MinFreeSpaceMiB = 0
	for _, change := range changes {
		change(c)
	}
	require.NoError(t, confmap.Validate(c))
	return c
}

// forgetful has the exporter write records again that come again.
func forgetful(c *auditlogexporter.Config) { c.Idempotency.MaxEvents = 0 }

// host notes what status its component reports.
type host struct {
	mu       sync.Mutex
	statuses []componentstatus.Status
	err      error // of the newest
}

func (*host) GetExtensions() map[component.ID]component.Component { return nil }

func (h *host) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.statuses, h.err = append(h.statuses, e.Status()), e.Err()
}

func (h *host) reported() []componentstatus.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]componentstatus.Status{}, h.statuses...)
}

func (h *host) lastError() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// says reports whether the newest status has an error with this word.
func (h *host) says(word string) bool {
	err := h.lastError()
	return err != nil && strings.Contains(err.Error(), word)
}

// running is an exporter as the collector would run it.
type running struct {
	exporter.Logs
	config    *auditlogexporter.Config
	host      *host
	telemetry *componenttest.Telemetry
	logged    *observer.ObservedLogs
}

// newExporter makes an exporter that has not been started.
func newExporter(t testing.TB, c *auditlogexporter.Config) *running {
	t.Helper()
	core, logged := observer.New(zapcore.DebugLevel)
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	set := metadatatest.NewSettings(telemetry)
	set.Logger = zap.New(core)
	logs, err := auditlogexporter.NewFactory().CreateLogs(t.Context(), set, c)
	require.NoError(t, err)
	return &running{Logs: logs, config: c, host: new(host), telemetry: telemetry, logged: logged}
}

func start(t testing.TB, c *auditlogexporter.Config) *running {
	t.Helper()
	r := newExporter(t, c)
	require.NoError(t, r.Start(t.Context(), r.host))
	t.Cleanup(func() { _ = r.Shutdown(context.Background()) })
	return r
}

func (r *running) stop(t testing.TB) {
	t.Helper()
	require.NoError(t, r.Shutdown(context.Background()))
}

// startError starts an exporter that must not start, and returns why it did not.
func startError(t testing.TB, c *auditlogexporter.Config) error {
	t.Helper()
	r := newExporter(t, c)
	err := r.Start(t.Context(), r.host)
	require.Error(t, err)
	require.NoError(t, r.Shutdown(context.Background()))
	return err
}

// records makes a request with one record for each id.
func records(ids ...string) plog.Logs {
	logs := plog.NewLogs()
	scope := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for _, id := range ids {
		record(scope, id)
	}
	return logs
}

// record appends a record that states all that a strict mapping asks for.
func record(scope plog.ScopeLogs, id string) plog.LogRecord {
	r := scope.LogRecords().AppendEmpty()
	r.SetTimestamp(1_795_000_000_000_000_000)
	r.SetEventName("user.login")
	a := r.Attributes()
	a.PutStr("audit.record.id", id)
	a.PutStr("audit.target.type", "host")
	a.PutStr("audit.target.id", "web-1")
	a.PutStr("user.id", "alice")
	return r
}

func ids(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s-%05d", prefix, i)
	}
	return list
}

// verified verifies the log with the configured key, demands that nothing is wrong
// with it, and returns the report.
func verified(t testing.TB, c *auditlogexporter.Config) *verify.Report {
	t.Helper()
	report := checked(t, c)
	require.False(t, report.TamperingDetected, "%+v", report.Findings)
	require.Equal(t, report.TotalEvents, report.VerifiedEvents)
	return report
}

// checked verifies a log, which may still be written.
func checked(t testing.TB, c *auditlogexporter.Config) *verify.Report {
	t.Helper()
	key, err := keyfile.LoadPublic(keyfile.PublicPath(c.Signing.KeyFile))
	require.NoError(t, err)
	report, err := verify.Log(t.Context(), os.DirFS(c.Directory), verify.Options{Keys: []*signing.PublicKey{key}})
	require.NoError(t, err)
	// A log that was begun a moment ago has no file checkpoint yet.
	report.Findings = slices.DeleteFunc(report.Findings, func(f verify.Finding) bool { return f.Kind == verify.Kind("checkpoint_missing") })
	return report
}

// written returns the events in the log, those of the log itself left out.
func written(t testing.TB, c *auditlogexporter.Config) []*event.Event {
	t.Helper()
	return slices.DeleteFunc(everything(t, c), func(e *event.Event) bool { return e.Log != nil })
}

// everything returns all events in the log.
func everything(t testing.TB, c *auditlogexporter.Config) []*event.Event {
	t.Helper()
	fsys := os.DirFS(c.Directory)
	listing, err := segment.List(fsys)
	require.NoError(t, err)
	var events []*event.Event
	for _, file := range listing.Segments {
		r, err := segment.Open(fsys, file.Name, file.Size)
		require.NoError(t, err)
		for {
			line, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if segment.KindOf(line) != segline.KindEvent {
				continue
			}
			parsed, err := segment.ParseEvent(nil, line)
			require.NoError(t, err)
			e, err := event.Parse(parsed.Canonical)
			require.NoError(t, err)
			events = append(events, e)
		}
		require.NoError(t, r.Close())
	}
	return events
}

func writtenIDs(t testing.TB, c *auditlogexporter.Config) []string {
	t.Helper()
	list := []string{}
	for _, e := range written(t, c) {
		list = append(list, e.EventID)
	}
	return list
}
