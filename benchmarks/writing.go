// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// writing measures records a second through ConsumeLogs: ours, signed and synced,
// beside the file exporter, neither.
func writing(ctx context.Context, o *options) error {
	o.head("producers × records", "exporter", "records/s", "ratio to the file exporter", "allocations a record")
	for _, load := range []struct{ producers, records int }{{2, 1000}, {1, 1000}, {64, 10}} {
		allocations := map[string]float64{}
		one := func(name string, start func() (*running, error)) measurement {
			return measurement{name, func() (float64, error) {
				speed, allocs, err := consume(ctx, o, start, load.producers, load.records)
				allocations[name] = allocs
				return speed, err
			}}
		}
		all := []measurement{
			one("file", func() (*running, error) { return startFile(o) }),
			one("auditlog, scope checkpoint", func() (*running, error) { return startAuditlog(o, "checkpoint") }),
			one("auditlog, scope checkpoint, ids not remembered", func() (*running, error) { return startForgetful(o, "checkpoint") }),
			one("auditlog, scope event", func() (*running, error) { return startAuditlog(o, "event") }),
		}
		samples, err := alternate(o.rounds, all)
		if err != nil {
			return err
		}
		for _, m := range all {
			s := samples[m.name]
			o.row(fmt.Sprintf("%d × %d", load.producers, load.records), m.name, count(s.median()), s.over(samples["file"]).text("%.2f"), fmt.Sprintf("%.2f", allocations[m.name]))
		}
	}
	fmt.Fprintln(o.out)
	return besideSigning(ctx, o)
}

// consume measures one exporter.
func consume(ctx context.Context, o *options, start func() (*running, error), producers, perCall int) (speed, allocations float64, err error) {
	e, err := start()
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	var done atomic.Int64
	var failed atomic.Pointer[error]
	produce := func(until time.Time) {
		var wg sync.WaitGroup
		for range producers {
			wg.Go(func() {
				logs := records(0, perCall)
				for time.Now().Before(until) {
					renew(logs)
					if err := e.ConsumeLogs(ctx, logs); err != nil {
						failed.Store(&err)
						return
					}
					done.Add(int64(perCall))
				}
			})
		}
		wg.Wait()
	}
	produce(time.Now().Add(o.time / 10)) // buffers and pools fill
	done.Store(0)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	produce(began.Add(o.time))
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	if p := failed.Load(); p != nil {
		return 0, 0, *p
	}
	n := float64(done.Load())
	return n / took.Seconds(), float64(after.Mallocs-before.Mallocs) / n, nil
}

// besideSigning measures scope event, whose time is that of the signatures, beside signing
// alone.
func besideSigning(ctx context.Context, o *options) error {
	all := []measurement{
		{"bare ECDSA P-256 signatures, one CPU", func() (float64, error) { return signatures(o, 1) }},
		{"bare ECDSA P-256 signatures, all CPUs", func() (float64, error) { return signatures(o, runtime.GOMAXPROCS(0)) }},
		{"auditlog, scope event, 1 × 1000", func() (float64, error) {
			speed, _, err := consume(ctx, o, func() (*running, error) { return startAuditlog(o, "event") }, 1, 1000)
			return speed, err
		}},
		{"auditlog, scope event, 2 × 1000", func() (float64, error) {
			speed, _, err := consume(ctx, o, func() (*running, error) { return startAuditlog(o, "event") }, 2, 1000)
			return speed, err
		}},
	}
	samples, err := alternate(o.rounds, all)
	if err != nil {
		return err
	}
	o.head("scope event", "a second", "ratio to bare signatures on all CPUs")
	for _, m := range all {
		s := samples[m.name]
		o.row(m.name, count(s.median()), s.over(samples[all[1].name]).text("%.2f"))
	}
	return nil
}

// signatures measures nothing but signing, the way signing.Signer does it.
func signatures(o *options, cpus int) (float64, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	var n atomic.Int64
	var failed atomic.Pointer[error]
	began := time.Now()
	until := began.Add(o.time)
	var wg sync.WaitGroup
	for range cpus {
		wg.Go(func() {
			digest := sha256.Sum256([]byte("an event"))
			for time.Now().Before(until) {
				if _, err := key.Sign(nil, digest[:], crypto.SHA256); err != nil {
					failed.Store(&err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	if p := failed.Load(); p != nil {
		return 0, *p
	}
	return float64(n.Load()) / time.Since(began).Seconds(), nil
}
