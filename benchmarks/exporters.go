// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// running is an exporter and the directory it writes to.
type running struct {
	exporter.Logs
	dir string
}

// start starts an exporter in a directory of its own.
func start(o *options, f exporter.Factory, settings func(dir string) map[string]any) (*running, error) {
	dir, err := os.MkdirTemp(o.dir, "")
	if err != nil {
		return nil, err
	}
	config := f.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(settings(dir)).Unmarshal(config); err != nil {
		return nil, err
	}
	e, err := f.CreateLogs(context.Background(), exportertest.NewNopSettings(f.Type()), config)
	if err != nil {
		return nil, err
	}
	if err := e.Start(context.Background(), componenttest.NewNopHost()); err != nil {
		return nil, err
	}
	return &running{e, dir}, nil
}

// stop ends it and removes what it wrote.
func (r *running) stop() error {
	return errors.Join(r.Shutdown(context.Background()), os.RemoveAll(r.dir))
}

// startFile starts the file exporter: JSON, not rotated, never synced.
func startFile(o *options) (*running, error) {
	return start(o, fileexporter.NewFactory(), func(dir string) map[string]any {
		return map[string]any{"path": filepath.Join(dir, "file.json")}
	})
}

// startAuditlog starts ours. Every acknowledged call is synced. Nothing is compressed:
// the file exporter does not either.
func startAuditlog(o *options, scope string) (*running, error) {
	return startAuditlogWith(o, scope, map[string]any{})
}

// startForgetful starts ours as it is for records without ids: it knows none again.
func startForgetful(o *options, scope string) (*running, error) {
	return startAuditlogWith(o, scope, map[string]any{"max_events": 0})
}

func startAuditlogWith(o *options, scope string, idempotency map[string]any) (*running, error) {
	return start(o, auditlogexporter.NewFactory(), func(dir string) map[string]any {
		return map[string]any{
			"idempotency": idempotency,
			"directory":   filepath.Join(dir, "log"),
			"rotation":    map[string]any{"compression": "none"},
			"signing":     map[string]any{"key_file": filepath.Join(dir, "key.pem"), "scope": scope},
		}
	})
}

// fill writes so many events to a log and leaves it behind.
func fill(o *options, scope string, zstd bool, events int) (dir string, err error) {
	r, err := startAuditlog(o, scope)
	if err != nil {
		return "", err
	}
	for first := 0; first < events; first += 1000 {
		if err := r.ConsumeLogs(context.Background(), records(first, min(1000, events-first))); err != nil {
			return "", errors.Join(err, r.stop())
		}
	}
	if err := r.Shutdown(context.Background()); err != nil {
		return "", err
	}
	if !zstd {
		return r.dir, nil
	}
	return r.dir, compress(filepath.Join(r.dir, "log"))
}

// compress does to all segments but the newest what the exporter does to them in the
// background.
func compress(log string) error {
	l, err := segment.List(os.DirFS(log))
	if err != nil {
		return err
	}
	for _, f := range l.Segments[:len(l.Segments)-1] {
		if f.Parsed.Compression != compression.None {
			continue
		}
		plain := filepath.Join(log, f.Name)
		if err := pack(plain, plain+".zst"); err != nil {
			return err
		}
		if err := os.Remove(plain); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// pack writes a compressed copy of a file.
func pack(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	z, err := compression.NewWriter(out, compression.Zstd)
	if err == nil {
		_, err = io.Copy(z, in)
		err = errors.Join(err, z.Close())
	}
	return errors.Join(err, out.Close())
}
