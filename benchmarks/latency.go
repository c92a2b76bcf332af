// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

// latency measures how long a call with one record takes beside a write of as many
// bytes and an fsync.
func latency(ctx context.Context, o *options) error {
	o.head("what", "median", "p99", "ratio of p99", "calls an fsync")
	const callers = 64
	calls := max(20, int(o.time/time.Millisecond))
	bare, alone, many, group := sample{}, sample{}, sample{}, sample{}
	for range o.rounds {
		size := 0
		durations, written, commits, err := call(ctx, o, 1, calls)
		if err != nil {
			return err
		}
		alone = append(alone, durations...)
		size = written / commits
		if durations, err = writeAndSync(o, calls, size); err != nil {
			return err
		}
		bare = append(bare, durations...)
		if durations, _, commits, err = call(ctx, o, callers, calls/4+1); err != nil {
			return err
		}
		many = append(many, durations...)
		group = append(group, float64(len(durations))/float64(commits))
	}
	print := func(name string, s sample, group string) {
		o.row(name, fmt.Sprintf("%.0f µs", s.median()), fmt.Sprintf("%.0f µs", s.quantile(0.99)), fmt.Sprintf("%.2f", s.quantile(0.99)/bare.quantile(0.99)), group)
	}
	print("a bare write and fsync", bare, "")
	print("a call with one record, alone", alone, "1")
	print(fmt.Sprintf("a call with one record, one of %d at a time", callers), many, group.text("%.0f"))
	return nil
}

// call measures calls with one record each, in microseconds, and returns how many bytes
// and commits the log has from them.
func call(ctx context.Context, o *options, callers, calls int) (durations sample, written, commits int, err error) {
	e, err := startAuditlog(o, "checkpoint")
	if err != nil {
		return nil, 0, 0, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	before, first, err := content(e.dir)
	if err != nil {
		return nil, 0, 0, err
	}
	took := make([]sample, callers)
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			logs := records(0, 1)
			for range calls {
				renew(logs)
				began := time.Now()
				if errs[i] = e.ConsumeLogs(ctx, logs); errs[i] != nil {
					return
				}
				took[i] = append(took[i], float64(time.Since(began))/float64(time.Microsecond))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, 0, 0, err
	}
	for _, s := range took {
		durations = append(durations, s...)
	}
	after, last, err := content(e.dir)
	return durations, after - before, last - first, err
}

// content returns how many bytes and checkpoints a log has.
func content(dir string) (size, checkpoints int, err error) {
	log := os.DirFS(filepath.Join(dir, "log"))
	l, err := segment.List(log)
	if err != nil {
		return 0, 0, err
	}
	for _, f := range l.Segments {
		text, err := os.ReadFile(filepath.Join(dir, "log", f.Name))
		if err != nil {
			return 0, 0, err
		}
		size += len(text)
		checkpoints += bytes.Count(text, []byte("\n{\"checkpoint\":"))
	}
	return size, checkpoints, nil
}

// writeAndSync measures the least that a durable call takes, in microseconds.
func writeAndSync(o *options, calls, size int) (durations sample, err error) {
	f, err := os.CreateTemp(o.dir, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	line := bytes.Repeat([]byte{'x'}, size)
	for range calls {
		began := time.Now()
		if _, err := f.Write(line); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		durations = append(durations, float64(time.Since(began))/float64(time.Microsecond))
	}
	return durations, nil
}
