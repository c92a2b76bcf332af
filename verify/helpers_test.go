// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// written is a log that the real writer wrote, in memory, to be changed.
type written struct {
	fsys   fstest.MapFS
	signer *signing.Signer
	names  []string // of segments
}

// write writes a log: commits says how many events each commit has.
func write(t testing.TB, o rotation.Options, commits ...int) *written {
	t.Helper()
	if o.Directory == "" {
		o.Directory = filepath.Join(t.TempDir(), "log")
	}
	if o.Origin == "" {
		o.Origin = "test.example/auditlog"
	}
	if o.Signer == nil {
		o.Signer = signingtest.New(t, signing.ECDSAP256)
	}
	if o.Scope == "" {
		o.Scope = segline.ScopeEvent
	}
	// An event takes a minute, and is committed as it happens, with those before it.
	clock := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var minutes atomic.Int64
	o.Now = func() time.Time { return clock.Add(time.Duration(max(0, minutes.Load()-1)) * time.Minute) }
	l, err := rotation.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := event.NewEncoder(event.DefaultMapping())
	if err != nil {
		t.Fatal(err)
	}
	enc.SetResource(pcommon.NewResource(), "")
	enc.SetScope(pcommon.NewInstrumentationScope(), "")
	n := 0
	for _, events := range commits {
		b := l.NewBatch()
		for range events {
			r := plog.NewLogRecord()
			r.SetTimestamp(pcommon.NewTimestampFromTime(clock.Add(time.Duration(n) * time.Minute)))
			r.Attributes().PutStr("audit.record.id", fmt.Sprintf("id-%03d", n))
			r.Attributes().PutStr("user.id", fmt.Sprintf("user-%03d", n))
			n++
			minutes.Store(int64(n))
			encode := func(dst []byte) ([]byte, uint64, error) {
				dst, info, err := enc.Append(dst, r)
				return dst, info.Time, err
			}
			if o.Scope == segline.ScopeCheckpoint {
				err = b.Add(encode, nil, "")
			} else {
				err = b.Add(encode, l.Sign(l.Signer()), l.Signer().Public().ID())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return load(t, o.Directory, o.Signer)
}

// load reads a directory into memory.
func load(t testing.TB, dir string, s *signing.Signer) *written {
	t.Helper()
	w := &written{fsys: fstest.MapFS{}, signer: s}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		w.fsys[e.Name()] = &fstest.MapFile{Data: b, Mode: 0o600}
		if _, err := segment.ParseName(e.Name()); err == nil {
			w.names = append(w.names, e.Name())
		}
	}
	return w
}

func (w *written) clone() *written {
	c := &written{fsys: fstest.MapFS{}, signer: w.signer, names: slices.Clone(w.names)}
	for name, f := range w.fsys {
		c.fsys[name] = &fstest.MapFile{Data: bytes.Clone(f.Data), Mode: f.Mode}
	}
	return c
}

// lines returns the lines of the i-th segment, each with its LF.
func (w *written) lines(i int) [][]byte {
	all := bytes.SplitAfter(w.fsys[w.names[i]].Data, []byte("\n"))
	return all[:len(all)-1]
}

func (w *written) setLines(i int, lines [][]byte) {
	w.fsys[w.names[i]].Data = bytes.Join(lines, nil)
}

// line returns the number of the line of the i-th segment that has this text.
func (w *written) line(t testing.TB, i int, text string) int {
	t.Helper()
	for n, line := range w.lines(i) {
		if bytes.Contains(line, []byte(text)) {
			return n + 1
		}
	}
	t.Fatalf("no line of %s contains %q", w.names[i], text)
	return 0
}

// keptNotes are kept checkpoints without names.
func keptNotes(notes ...[]byte) (all []verify.Kept) {
	for _, note := range notes {
		all = append(all, verify.Kept{Note: note})
	}
	return all
}

func check(t testing.TB, fsys fs.FS, o verify.Options) *verify.Report {
	t.Helper()
	r, err := verify.Log(context.Background(), fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *written) check(t testing.TB) *verify.Report {
	t.Helper()
	return check(t, w.fsys, verify.Options{Keys: []*signing.PublicKey{w.signer.Public()}})
}

// cutOff reports whether a log is shorter than its file checkpoint says, as a copy made
// while it was written may be, too: it is not OK then.
func cutOff(r, whole *verify.Report) bool {
	return r.TreeSize < whole.TreeSize && r.Verdict == verify.VerdictUnchecked &&
		slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Kind == verify.Rollback && f.Segment == sidefile.CheckpointName })
}

// bad returns the findings that mean tampering.
func bad(r *verify.Report) (all []verify.Finding) {
	for _, f := range r.Findings {
		if f.Severity == verify.Tampering {
			all = append(all, f)
		}
	}
	return all
}

// amiss are the findings that keep the verdict from being ok.
func amiss(r *verify.Report) []verify.Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f verify.Finding) bool {
		return f.Severity != verify.Tampering && f.Severity != verify.Unchecked
	})
}

func kinds(findings []verify.Finding) (all []verify.Kind) {
	for _, f := range findings {
		all = append(all, f.Kind)
	}
	return all
}
