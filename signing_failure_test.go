// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	zapobserver "go.uber.org/zap/zaptest/observer"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/metadatatest"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// moodyKey signs checkpoints, and events as long as it is not broken: a key service
// that is overrun. It is an Ed25519 key, because that is shown the message itself.
type moodyKey struct {
	crypto.Signer
	broken atomic.Bool
}

var errMood = errors.New("the key service is overrun")

func (k *moodyKey) Sign(rand io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if k.broken.Load() && bytes.HasPrefix(message, []byte("auditlog event v1\n")) {
		return nil, errMood
	}
	return k.Signer.Sign(rand, message, opts)
}

// statusHost notes what status its component reports.
type statusHost struct {
	mu       sync.Mutex
	statuses []componentstatus.Status
}

func (*statusHost) GetExtensions() map[component.ID]component.Component { return nil }

func (h *statusHost) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.statuses = append(h.statuses, e.Status())
}

type moodyExporter struct {
	*auditExporter
	key       *moodyKey
	host      *statusHost
	telemetry *componenttest.Telemetry
	logged    *zapobserver.ObservedLogs
	public    *signing.PublicKey
}

func startMoody(t *testing.T, f onFailure) moodyExporter {
	t.Helper()
	private, err := keyfile.GenerateKey(signing.Ed25519)
	require.NoError(t, err)
	core, logged := zapobserver.New(zapcore.InfoLevel)
	m := moodyExporter{key: &moodyKey{Signer: private}, host: new(statusHost), telemetry: componenttest.NewTelemetry(), logged: logged}
	t.Cleanup(func() { require.NoError(t, m.telemetry.Shutdown(context.Background())) })
	c := createDefaultConfig().(*Config)
	c.Directory = filepath.Join(t.TempDir(), "log")
	c.Origin = "test.example/auditlog"
	c.StateDirectory = t.TempDir()
	c.Signing.OnFailure = f
	c.Idempotency.MaxEvents = 0 // the same records come again
	c.MinFreeSpaceMiB = 0
	set := metadatatest.NewSettings(m.telemetry)
	set.Logger = zap.New(core)
	m.auditExporter, err = newAuditExporter(set, c)
	require.NoError(t, err)
	signer, err := signing.NewSigner(m.key, nil)
	require.NoError(t, err)
	m.public = signer.Public()
	m.openKeys = func(*Config, *zap.Logger) (keys, error) { return keys{signer: signer}, nil }
	require.NoError(t, m.start(t.Context(), m.host))
	t.Cleanup(func() { require.NoError(t, m.shutdown(context.Background())) })
	return m
}

func (m moodyExporter) report(t *testing.T) *verify.Report {
	t.Helper()
	report, err := verify.Log(t.Context(), os.DirFS(m.config.Directory), verify.Options{Keys: []*signing.PublicKey{m.public}})
	require.NoError(t, err)
	require.False(t, report.TamperingDetected, "%+v", report.Findings)
	return report
}

func someRecords(n int) plog.Logs {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for i := range n {
		records.AppendEmpty().Attributes().PutStr("audit.record.id", fmt.Sprint(i))
	}
	return logs
}

func TestEventsThatCannotBeSignedAreRefused(t *testing.T) {
	m := startMoody(t, onFailureRefuse)
	m.key.broken.Store(true)
	for range 3 {
		err := m.consume(t.Context(), someRecords(100))
		require.ErrorIs(t, err, errMood)
		assert.False(t, consumererror.IsPermanent(err), "the key service may come back")
		assert.ErrorContains(t, err, "resource 0, scope 0, record 0: ")
	}
	report := m.report(t)
	assert.Equal(t, report.OwnEvents, report.TotalEvents, "nothing was written")
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, m.host.statuses)
	with := attribute.NewSet(attribute.String("exporter", "auditlog"), attribute.String("reason", "signing"))
	metadatatest.AssertEqualExporterAuditlogRefusedEvents(t, m.telemetry,
		[]metricdata.DataPoint[int64]{{Attributes: with, Value: 300}}, metricdatatest.IgnoreTimestamp())

	m.key.broken.Store(false)
	require.NoError(t, m.consume(t.Context(), someRecords(100)))
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK}, m.host.statuses)
	report = m.report(t)
	assert.Equal(t, uint64(100), report.TotalEvents-report.OwnEvents)
	assert.Zero(t, report.UnsignedEvents)
}

func TestEventsThatCannotBeSignedAreWrittenUnsignedIfWanted(t *testing.T) {
	m := startMoody(t, onFailureWriteUnsigned)
	m.key.broken.Store(true)
	require.NoError(t, m.consume(t.Context(), someRecords(100)))
	require.NoError(t, m.consume(t.Context(), someRecords(50)))
	m.key.broken.Store(false)
	require.NoError(t, m.consume(t.Context(), someRecords(7)))

	report := m.report(t)
	assert.Equal(t, uint64(157), report.TotalEvents-report.OwnEvents)
	assert.GreaterOrEqual(t, report.UnsignedEvents, uint64(150))
	kinds := map[verify.Kind]int{}
	for _, f := range report.Findings {
		kinds[f.Kind]++
	}
	assert.Positive(t, kinds[verify.UnsignedEvent], "an auditor is told")
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK}, m.host.statuses)
	warnings := m.logged.FilterMessage("Events cannot be signed").All()
	require.Len(t, warnings, 1, "a line a minute, not one for each event")
	assert.Equal(t, zapcore.WarnLevel, warnings[0].Level)
	metadatatest.AssertEqualExporterAuditlogUnsignedEvents(t, m.telemetry,
		[]metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(attribute.String("exporter", "auditlog")), Value: int64(report.UnsignedEvents)}},
		metricdatatest.IgnoreTimestamp())
}
