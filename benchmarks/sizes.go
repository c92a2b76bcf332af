// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// sizes compares what an event takes on disk.
func sizes(ctx context.Context, o *options) error {
	const events = 20_000
	o.head("what", "plain", "zstd")
	for _, one := range []struct {
		name  string
		start func() (*running, error)
		files string
	}{
		{"file exporter", func() (*running, error) { return startFile(o) }, "file.json"},
		{"auditlog, scope checkpoint", func() (*running, error) { return startAuditlog(o, "checkpoint") }, "log/*.jsonl"},
		{"auditlog, scope event", func() (*running, error) { return startAuditlog(o, "event") }, "log/*.jsonl"},
	} {
		plain, packed, err := size(ctx, one.start, one.files, events)
		if err != nil {
			return err
		}
		o.row(one.name, fmt.Sprintf("%.0f", plain/events), fmt.Sprintf("%.0f", packed/events))
	}
	return nil
}

// size returns how many bytes an exporter makes of events, plain and compressed.
func size(ctx context.Context, start func() (*running, error), pattern string, events int) (plain, packed float64, err error) {
	r, err := start()
	if err != nil {
		return 0, 0, err
	}
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, r.Shutdown(ctx))
		}
		err = errors.Join(err, os.RemoveAll(r.dir))
	}()
	for first := 0; first < events; first += 100 {
		if err := r.ConsumeLogs(ctx, records(first, 100)); err != nil {
			return 0, 0, err
		}
	}
	stopped = true
	if err := r.Shutdown(ctx); err != nil {
		return 0, 0, err
	}
	files, err := filepath.Glob(filepath.Join(r.dir, pattern))
	if err != nil {
		return 0, 0, err
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			return 0, 0, err
		}
		plain += float64(info.Size())
		if err := pack(name, name+".zst"); err != nil {
			return 0, 0, err
		}
		if info, err = os.Stat(name + ".zst"); err != nil {
			return 0, 0, err
		}
		packed += float64(info.Size())
	}
	return plain, packed, nil
}
