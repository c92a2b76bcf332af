// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package benchmarks measures the exporter beside others in the same run: these
// machines vary, so ratios count, not absolute figures.
package benchmarks

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
)

// batch makes a call's worth of records with 12 attributes each.
func batch(records int) plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "billing")
	rl.Resource().Attributes().PutStr("host.name", "web-01")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("billing/audit")
	for i := range records {
		r := sl.LogRecords().AppendEmpty()
		r.SetTimestamp(1_795_428_900_000_000_000)
		r.SetObservedTimestamp(1_795_428_900_000_000_000)
		r.SetSeverityNumber(plog.SeverityNumberInfo)
		r.SetEventName("user.login")
		r.Body().SetStr("the user has signed in with a passkey")
		a := r.Attributes()
		a.PutStr("audit.record.id", fmt.Sprintf("3f0c2b9e-8a52-4f7e-9d5a-%012d", i))
		a.PutStr("audit.actor.type", "user")
		a.PutStr("audit.actor.id", "u-1842")
		a.PutStr("audit.action", "login")
		a.PutStr("audit.outcome", "success")
		a.PutStr("audit.target.type", "application")
		a.PutStr("audit.target.id", "billing")
		a.PutStr("session.id", "s-77f0a1")
		a.PutStr("client.address", "198.51.100.40")
		a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
		a.PutInt("http.response.status_code", 200)
		a.PutBool("mfa", true)
	}
	return logs
}

func start(b *testing.B, f exporter.Factory, settings map[string]any) exporter.Logs {
	b.Helper()
	config := f.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(settings).Unmarshal(config); err != nil {
		b.Fatal(err)
	}
	e, err := f.CreateLogs(context.Background(), exportertest.NewNopSettings(f.Type()), config)
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Start(context.Background(), componenttest.NewNopHost()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return e
}

var _ component.Host = componenttest.NewNopHost()

// exporters are ours in both scopes, and the file exporter: JSON, not rotated, never
// synced.
var exporters = map[string]func(b *testing.B) exporter.Logs{
	"auditlog,scope=checkpoint": func(b *testing.B) exporter.Logs { return auditlog(b, "checkpoint") },
	"auditlog,scope=event":      func(b *testing.B) exporter.Logs { return auditlog(b, "event") },
	"file": func(b *testing.B) exporter.Logs {
		return start(b, fileexporter.NewFactory(), map[string]any{"path": filepath.Join(b.TempDir(), "file.json")})
	},
}

func auditlog(b *testing.B, scope string) exporter.Logs {
	dir := b.TempDir()
	return start(b, auditlogexporter.NewFactory(), map[string]any{
		"directory": filepath.Join(dir, "log"),
		"rotation":  map[string]any{"compression": "none"},
		"signing":   map[string]any{"key_file": filepath.Join(dir, "key.pem"), "scope": scope},
	})
}

// BenchmarkExporters reports records a second for several numbers of producers and
// sizes of calls.
func BenchmarkExporters(b *testing.B) {
	for _, load := range []struct{ producers, records int }{{1, 1000}, {2, 1000}, {64, 10}, {1, 1}} {
		for _, name := range []string{"file", "auditlog,scope=checkpoint", "auditlog,scope=event"} {
			b.Run(fmt.Sprintf("producers=%d/records=%d/%s", load.producers, load.records, name), func(b *testing.B) {
				e := exporters[name](b)
				logs := batch(load.records)
				logs.MarkReadOnly()
				b.ReportAllocs()
				b.ResetTimer()
				began := time.Now()
				var wg sync.WaitGroup
				for p := range load.producers {
					wg.Go(func() {
						for i := p; i < b.N; i += load.producers {
							if err := e.ConsumeLogs(context.Background(), logs); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				records := float64(b.N * load.records)
				b.ReportMetric(records/time.Since(began).Seconds(), "records/s")
			})
		}
	}
}
