// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

var attackStride = flag.Int("attack.stride", 61*byteStep, "of all changes of a byte to one of about 13 values, TestEveryByteOfEveryLog makes one in so many: up to 4, each byte is changed to three values at least")

// mutants are what a byte is changed to: each bit flipped, and what means something to
// a parser.
func mutants(b byte) (all []byte) {
	for bit := range 8 {
		all = append(all, b^1<<bit)
	}
	for _, c := range []byte{0, '\n', '"', '0', '}', ' '} {
		if c != b && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// attacked are small logs of every kind: both scopes, both kinds of key, plain and
// compressed, with key changes and a checkpoint key, witnessed, and pruned.
func attacked(t *testing.T) map[string]*logtest.Copy {
	all := map[string]*logtest.Copy{}
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		for _, a := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
			plain := logtest.Write(t, rotation.Options{Scope: scope, Signer: signingtest.New(t, a), MaxSegmentBytes: 1500}, 1, 2)
			all[fmt.Sprintf("%s/%s/plain", scope, a)] = plain
			for _, c := range []compression.Method{compression.Zstd, compression.Gzip} {
				w := plain.Clone()
				for _, name := range w.Segments[:len(w.Segments)-1] {
					w.Compress(t, name, c)
				}
				w.Segments = namesOf(w)
				all[fmt.Sprintf("%s/%s/%s", scope, a, c)] = w
			}
		}
		keys := []*signing.Signer{signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)}
		o, _ := logtest.Witnessed(t, rotation.Options{Scope: scope, MaxSegmentBytes: 1500}, "witness.example/w1")
		all[fmt.Sprintf("%s/witnessed", scope)] = logtest.Write(t, o, 1, 2)
		all[fmt.Sprintf("%s/keys", scope)] = logtest.WriteKeys(t, rotation.Options{Scope: scope, CheckpointSigner: signingtest.New(t, signing.Ed25519)}, keys...)
	}
	return all
}

// Every change of any byte of any file of a log is found, but for those that have no
// meaning, which are listed here.
func TestEveryByteOfEveryLog(t *testing.T) {
	t.Parallel()
	var changes, found, meaningless atomic.Int64
	for name, w := range attacked(t) {
		t.Run(name, func(t *testing.T) {
			before, want := content(w), checkCopy(t, w)
			if want.TamperingDetected {
				t.Fatalf("%+v", want.Findings)
			}
			files := append(namesOf(w), sidefile.KeyChangesName)
			jobs := make(chan func(*logtest.Copy))
			var wg sync.WaitGroup
			for range runtime.GOMAXPROCS(0) {
				mine := w.Clone()
				wg.Go(func() {
					for job := range jobs {
						job(mine)
					}
				})
			}
			for _, file := range files {
				if w.Files[file] == nil {
					continue
				}
				for at, b := range w.Files[file].Data {
					for i, m := range mutants(b) {
						if (at+i)%*attackStride != 0 {
							continue
						}
						jobs <- func(w *logtest.Copy) {
							changes.Add(1)
							f := w.Files[file]
							f.Data[at] = m
							defer func() { f.Data[at] = b }()
							r, err := verify.Log(context.Background(), w.Files, verify.Options{Keys: logtest.PublicKeys(w.Signer), Jobs: 1})
							if err != nil || r.TamperingDetected || cutOff(r, want) || notRead(r, file) {
								found.Add(1)
								return
							}
							meaningless.Add(1)
							if why := harmless(w, file, at, before, want, r); why == "" {
								t.Errorf("%s byte %d, %q to %q, is not found: %+v", file, at, b, m, r.Findings)
							}
						}
					}
				}
			}
			close(jobs)
			wg.Wait()
		})
	}
	t.Logf("%d changes, %d found, %d without a meaning", changes.Load(), found.Load(), meaningless.Load())
}

// notRead reports whether a change has made a compressed file one that only another reader can
// read, such as a larger window.
func notRead(r *verify.Report, file string) bool {
	return r.Verdict == verify.VerdictUnchecked && slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Kind == verify.SegmentUnreadable && f.Segment == file })
}

// harmless says why a change that is not found means nothing, or "".
func harmless(w *logtest.Copy, file string, at int, before [][]byte, want, r *verify.Report) string {
	last := len(w.Files[file].Data) - 1
	newest := w.Segments[len(w.Segments)-1]
	parsed, err := segment.ParseName(file)
	switch {
	case file == sidefile.KeyChangesName && at == last:
		return "without its end, the last key change is one that is being written; the segments have it, too"
	case err != nil:
		return ""
	case file == newest && parsed.Compression == compression.None && r.TreeSize < want.TreeSize && at == last:
		return "without its end, the last line is one that is being written: the log is shorter, as any checkpoint that was kept shows"
	case file == newest && parsed.Compression == compression.None && r.TreeSize < want.TreeSize && filedSize(w) < want.TreeSize && r.TreeSize >= filedSize(w):
		return "a NUL makes it what a power cut leaves, and the file checkpoint holds an older checkpoint, which witnesses have cosigned: the log is shorter by what it says of them, as any newer checkpoint that was kept shows"
	case parsed.Compression != compression.None && slices.EqualFunc(before, content(w), bytes.Equal) && r.VerifiedEvents == want.VerifiedEvents:
		return "a field of the compressed form that has no meaning: the content is the same"
	}
	return ""
}

// filedSize is the size of the checkpoint in the checkpoint file.
func filedSize(w *logtest.Copy) uint64 {
	c, err := signing.ParseCheckpoint(w.Files[sidefile.CheckpointName].Data)
	if err != nil {
		panic(err) // the writer has written it
	}
	return c.Size
}
