// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"time"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

const origin = "benchmarks.example/auditlog"

// growth measures what a log costs that has grown.
func growth(ctx context.Context, o *options) error {
	small := measurement{"with 10^5 leaves before", func() (float64, error) { return afterLeaves(ctx, o, 1e5) }}
	large := measurement{"with 10^8 leaves before", func() (float64, error) { return afterLeaves(ctx, o, 1e8) }}
	samples, err := alternate(o.rounds, []measurement{small, large})
	if err != nil {
		return err
	}
	o.head("writing, 1 × 1000, scope checkpoint", "records/s", "ratio")
	for _, m := range []measurement{small, large} {
		o.row(m.name, count(samples[m.name].median()), samples[m.name].over(samples[small.name]).text("%.2f"))
	}
	fmt.Fprintln(o.out)

	one := measurement{"with 1 sealed segment", nil}
	thousand := measurement{"with 1,000 sealed segments", nil}
	for m, segments := range map[*measurement]int{&one: 1, &thousand: 1000} {
		dir, err := sealed(ctx, o, segments)
		if err != nil {
			return err
		}
		m.take = func() (float64, error) { return open(ctx, dir) }
	}
	if samples, err = alternate(4*o.rounds, []measurement{one, thousand}); err != nil {
		return err
	}
	o.head("start", "µs", "ratio")
	for _, m := range []measurement{one, thousand} {
		o.row(m.name, fmt.Sprintf("%.0f", samples[m.name].median()), samples[m.name].over(samples[one.name]).text("%.2f"))
	}
	return nil
}

// afterLeaves measures writing to a log whose older segments have been pruned: all that
// is left of them is the frontier.
func afterLeaves(ctx context.Context, o *options, leaves uint64) (float64, error) {
	speed, _, err := consume(ctx, o, func() (*running, error) {
		var grown error
		r, err := start(o, auditlogexporter.NewFactory(), func(dir string) map[string]any {
			grown = grow(dir, leaves)
			return map[string]any{
				"directory": filepath.Join(dir, "log"), "origin": origin,
				"rotation": map[string]any{"compression": "none"},
				"signing":  map[string]any{"key_file": filepath.Join(dir, "key.pem"), "scope": "checkpoint"},
			}
		})
		return r, errors.Join(grown, err)
	}, 1, 1000)
	return speed, err
}

// grow begins a log at a leaf, as if there had been others.
func grow(dir string, leaves uint64) error {
	signer, err := keyfile.Create(filepath.Join(dir, "key.pem"), signing.ECDSAP256)
	if err != nil {
		return err
	}
	hashes := make([]merkle.Hash, bits.OnesCount64(leaves))
	for i := range hashes {
		rand.Read(hashes[i][:])
	}
	tree, err := merkle.NewFrontier(leaves, hashes)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	line := segment.Header{
		Origin: origin, FirstIndex: leaves, Frontier: hashes, Created: now, Scope: segline.ScopeCheckpoint,
		Keys: []segline.Key{segline.KeyOf(signer.Public())},
	}.AppendTo(nil)
	tree.Append(merkle.LeafHash(line))
	note, err := signing.SignCheckpoint(origin, tree.Size(), tree.Root(), signer)
	if err != nil {
		return err
	}
	text := append(segline.AppendCheckpoint(append(line, '\n'), note), '\n')
	name := segment.Name{FirstIndex: leaves, Created: now, Compression: compression.None}
	log := filepath.Join(dir, "log")
	return errors.Join(os.Mkdir(log, 0o700), os.WriteFile(filepath.Join(log, name.String()), text, 0o600))
}

// sealed writes a log with so many sealed segments and returns its directory.
func sealed(ctx context.Context, o *options, segments int) (string, error) {
	dir, err := os.MkdirTemp(o.dir, "")
	if err != nil {
		return "", err
	}
	signer, err := keyfile.Create(filepath.Join(dir, "key.pem"), signing.ECDSAP256)
	if err != nil {
		return "", err
	}
	l, err := rotation.Open(ctx, logOptions(dir, signer))
	if err != nil {
		return "", err
	}
	for range segments + 1 {
		b := l.NewBatch()
		err := b.Add(func(dst []byte) ([]byte, uint64, error) { return append(dst, smallEvent...), 0, nil }, nil, "")
		if err == nil {
			_, err = l.Append(ctx, b)
		}
		b.Release()
		if err != nil {
			return "", errors.Join(err, l.Close(ctx))
		}
	}
	return dir, l.Close(ctx)
}

const smallEvent = `{"category":"system_health","event_id":"id","level":"info","metadata":{},"operation":"o","resource_id":"r","resource_type":"t","success":true,"timestamp":"2026-11-23T10:15:00.000000000Z"}`

// logOptions make a segment of each commit.
func logOptions(dir string, signer *signing.Signer) rotation.Options {
	return rotation.Options{
		Directory: filepath.Join(dir, "log"), Origin: origin, Signer: signer, Scope: segline.ScopeCheckpoint,
		MaxSegmentBytes: 1, Compression: compression.None, Sync: true,
	}
}

// open measures a start, in microseconds.
func open(ctx context.Context, dir string) (float64, error) {
	signer, err := keyfile.Load(filepath.Join(dir, "key.pem"))
	if err != nil {
		return 0, err
	}
	began := time.Now()
	l, err := rotation.Open(ctx, logOptions(dir, signer))
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	return float64(took) / float64(time.Microsecond), l.Close(ctx)
}
