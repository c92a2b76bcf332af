// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/logtree"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

var (
	proveEvents = flag.String("prove.events", "10000", "how many events the logs of BenchmarkProve have")
	proveKeep   = flag.String("prove.keep", "", "a directory to leave the logs of BenchmarkProve in, each with its public key")
)

// BenchmarkProve proves the event in the middle of a log of segments of 50 MiB, and checks
// the proof. It reports the proof's size, and what of the log is read.
func BenchmarkProve(b *testing.B) {
	for _, size := range strings.Split(*proveEvents, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			b.Fatal(err)
		}
		s := signingtest.New(b, signing.ECDSAP256)
		dir := filepath.Join(b.TempDir(), "log")
		if *proveKeep != "" {
			dir = filepath.Join(*proveKeep, size)
			if err := keyfile.CreatePublic(dir+".pub.pem", s.Public()); err != nil {
				b.Fatal(err)
			}
		}
		fsys := largeLog(b, dir, s, n)
		q := proof.Query{Index: uint64(n) / 2, ByIndex: true}
		var text []byte
		b.Run(size+"/prove", func(b *testing.B) {
			for b.Loop() {
				p, err := proof.Prove(b.Context(), fsys, q)
				if err != nil {
					b.Fatal(err)
				}
				text = p.Marshal()
			}
			b.ReportMetric(float64(len(text)), "proof-bytes")
			reportReading(b, fsys, q.Index)
		})
		b.Run(size+"/prove-by-id", func(b *testing.B) {
			id := fmt.Sprintf("event-%d", n/2)
			for b.Loop() {
				if _, err := proof.Prove(b.Context(), fsys, proof.Query{EventID: id}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(size+"/check", func(b *testing.B) {
			for b.Loop() {
				if _, err := proof.Check(text, proof.Options{Keys: logtest.PublicKeys(s)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCheckManyKeys checks a proof that leads over so many changes of the key.
func BenchmarkCheckManyKeys(b *testing.B) {
	const most = 3000
	first := signingtest.New(b, signing.Ed25519)
	w := logtest.Write(b, rotation.Options{Scope: segline.ScopeCheckpoint, Signer: first}, most+1)
	p := proveLeaf(b, w, most)
	c, err := signing.ParseCheckpoint(p.Checkpoint)
	if err != nil {
		b.Fatal(err)
	}
	last := first
	for i := 1; i <= most; i++ {
		next := signingtest.New(b, signing.Ed25519)
		n, err := signing.SignKeyChange(signing.KeyChange{Origin: c.Origin, Log: p.Log, Index: uint64(i)}, last, next)
		if err != nil {
			b.Fatal(err)
		}
		p.KeyChanges = append(p.KeyChanges, n)
		if last = next; i%1000 != 0 {
			continue
		}
		if p.Checkpoint, err = signing.SignCheckpoint(c.Origin, c.Size, c.Root, last); err != nil {
			b.Fatal(err)
		}
		text := p.Marshal()
		b.Run(strconv.Itoa(i), func(b *testing.B) {
			for b.Loop() {
				if _, err := proof.Check(text, proof.Options{Keys: logtest.PublicKeys(first)}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(text)), "proof-bytes")
		})
	}
}

// reportReading reports what of a log it takes reading to prove a leaf.
func reportReading(b *testing.B, fsys fs.FS, index uint64) {
	b.Helper()
	tree, err := logtree.Open(b.Context(), fsys)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := tree.Line(b.Context(), index); err != nil {
		b.Fatal(err)
	}
	if _, err := tlog.ProveRecord(int64(tree.Size()), int64(index), tree.Hashes(b.Context())); err != nil {
		b.Fatal(err)
	}
	listing, err := segment.List(fsys)
	if err != nil {
		b.Fatal(err)
	}
	stats := tree.Stats()
	b.ReportMetric(float64(len(listing.Segments)), "segments")
	b.ReportMetric(float64(stats.Segments), "segments-read")
	b.ReportMetric(float64(stats.Heads), "heads-read")
	b.ReportMetric(float64(stats.Bytes), "stored-bytes-read")
}

// largeLog writes a log of n events, in commits of a thousand.
func largeLog(b *testing.B, dir string, s *signing.Signer, n int) fs.FS {
	b.Helper()
	l, err := rotation.Open(b.Context(), rotation.Options{
		Directory: dir, Origin: "test.example/auditlog", Signer: s, Scope: segline.ScopeCheckpoint,
		MaxSegmentBytes: 50 << 20, Compression: compression.Zstd,
	})
	if err != nil {
		b.Fatal(err)
	}
	enc, err := mapping.NewEncoder(mapping.Default())
	if err != nil {
		b.Fatal(err)
	}
	enc.SetResource(pcommon.NewResource(), "")
	enc.SetScope(pcommon.NewInstrumentationScope(), "")
	for i := 0; i < n; i += 1000 {
		batch := l.NewBatch()
		for j := i; j < min(n, i+1000); j++ {
			r := plog.NewLogRecord()
			r.SetTimestamp(pcommon.Timestamp(1_800_000_000_000_000_000 + j))
			r.SetEventName("file.read")
			r.Attributes().PutStr("audit.record.id", fmt.Sprintf("event-%d", j))
			r.Attributes().PutStr("user.id", fmt.Sprintf("user-%d", j%1000))
			r.Attributes().PutStr("file.path", fmt.Sprintf("/srv/reports/%d.pdf", j))
			r.Attributes().PutStr("client.address", "192.0.2.7")
			if err := batch.Add(func(dst []byte) ([]byte, uint64, error) {
				dst, info, err := enc.Append(dst, r)
				return dst, info.Time, err
			}, nil, ""); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := l.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		batch.Release()
	}
	if err := l.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	return os.DirFS(dir)
}
