// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"auditlog": main, "auditlog-peak": peak})
}

// leakChecked fails a run that leaves goroutines behind.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// The scripts find a log of three segments in log, its public key in key.pub.pem,
// and another key in other.pub.pem. The log in witnessed has the witness of w1.vkey; w2.vkey
// is a stranger's.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			if _, err := keyfile.Create(filepath.Join(e.WorkDir, "other.pem"), signing.Ed25519); err != nil {
				return err
			}
			s, err := keyfile.Create(filepath.Join(e.WorkDir, "key.pem"), signing.ECDSAP256)
			if err != nil {
				return err
			}
			w, err := newWriter(filepath.Join(e.WorkDir, "log"), s)
			if err != nil {
				return err
			}
			for _, r := range records() {
				if err := w.append(r); err != nil {
					return err
				}
			}
			if err := w.log.Close(context.Background()); err != nil {
				return err
			}
			if err := writeReceipts(e.WorkDir); err != nil {
				return err
			}
			return writeWitnessed(t, e.WorkDir, s)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":    code,
			"grow":    grow,
			"replace": replace,
		},
	})
}

// writeReceipts writes the receipts of the log.
func writeReceipts(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "log", "audit-*.jsonl"))
	if err != nil {
		return err
	}
	newest := names[len(names)-1]
	info, err := os.Stat(newest)
	if err != nil {
		return err
	}
	note, err := os.ReadFile(filepath.Join(dir, "log", sidefile.CheckpointName))
	if err != nil {
		return err
	}
	c, err := signing.ParseCheckpoint(note)
	if err != nil {
		return err
	}
	i, err := issuer.Open(issuer.Options{Log: filepath.Join(dir, "log"), Origin: c.Origin, Directory: filepath.Join(dir, "receipts"), MaxFileBytes: 1 << 20})
	if err != nil {
		return err
	}
	_, err = i.Issue(context.Background(), issuer.Durable{Segment: filepath.Base(newest), Bytes: info.Size(), Size: c.Size})
	return errors.Join(err, i.Close())
}

// writeWitnessed writes a log that a witness has cosigned.
func writeWitnessed(t *testing.T, dir string, s *signing.Signer) error {
	checkpointKey, err := keyfile.Create(filepath.Join(dir, "checkpoint.pem"), signing.Ed25519)
	if err != nil {
		return err
	}
	w := witnesstest.New(t, "witness.example/w1")
	w.Trust(t, "witnessed.example/auditlog", checkpointKey.Public())
	for file, key := range map[string]*witness.Key{"w1.vkey": w.Key, "w2.vkey": witnesstest.New(t, "witness.example/w2").Key} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(key.String()+"\n"), 0o600); err != nil {
			return err
		}
	}
	l, err := rotation.Open(context.Background(), rotation.Options{
		Directory: filepath.Join(dir, "witnessed"), Origin: "witnessed.example/auditlog", Signer: s, CheckpointSigner: checkpointKey,
		Scope: segline.ScopeEvent, Witnesses: []cosigning.Witness{w},
	})
	if err != nil {
		return err
	}
	return l.Close(context.Background()) // which asks the witness
}

// grow adds events to a log, and has retention delete all but a few of its segments, if a
// number is given: grow DIR [SEGMENTS]
func grow(ts *testscript.TestScript, _ bool, args []string) {
	s, err := keyfile.Load(ts.MkAbs("key.pem"))
	ts.Check(err)
	o := rotation.Options{Directory: ts.MkAbs(args[0]), Origin: "grown.example/auditlog", Signer: s, Scope: segline.ScopeCheckpoint, MaxSegmentBytes: 1}
	if len(args) > 1 {
		o.Retention.MaxSegments, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	l, err := rotation.Open(context.Background(), o)
	ts.Check(err)
	for range 6 {
		ts.Check(commitOwn(l, 70))
	}
	for deadline := time.Now().Add(time.Minute); o.Retention.MaxSegments > 0; {
		names, err := filepath.Glob(filepath.Join(o.Directory, "audit-*"))
		ts.Check(err)
		if len(names) <= o.Retention.MaxSegments {
			break
		}
		if time.Now().After(deadline) {
			ts.Fatalf("retention left %d segments", len(names))
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Check(l.Close(context.Background()))
}

// commitOwn commits so many events.
func commitOwn(l *rotation.Log, n int) error {
	b := l.NewBatch()
	defer b.Release()
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for i := range n {
		err := b.Add(func(dst []byte) ([]byte, uint64, error) {
			return ownevent.AppendOwn(dst, ownevent.Own{ID: strconv.Itoa(i), Time: at, Origin: "o", Level: event.LevelInfo, Action: "test", Detail: []byte(`{"action":"test"}`)}), uint64(at.UnixNano()), nil
		}, nil, "")
		if err != nil {
			return err
		}
	}
	_, err := l.Append(context.Background(), b)
	return err
}

// records are what the scripts' log holds, one a segment.
func records() []plog.LogRecord {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var all []plog.LogRecord
	for i, attributes := range []map[string]string{
		{"user.id": "alice", "audit.action": "login", "audit.outcome": "success", "audit.category": "authentication", "session.id": "s-1"},
		{"user.id": "mallory\x1b[2J", "audit.action": "login", "audit.outcome": "failure", "audit.category": "authentication", "note": "evil\u202etxt"},
		{"user.id": "bob", "audit.action": "logout", "audit.outcome": "unknown", "audit.category": "session_management"},
	} {
		r := plog.NewLogRecord()
		r.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Duration(i) * time.Hour)))
		r.Attributes().PutStr("audit.record.id", fmt.Sprintf("id-%d", i))
		for k, v := range attributes {
			r.Attributes().PutStr(k, v)
		}
		all = append(all, r)
	}
	return all
}

// writer writes a log in which each append takes a segment.
type writer struct {
	log    *rotation.Log
	enc    *mapping.Encoder
	signer *signing.Signer
	clock  time.Time
}

func newWriter(dir string, s *signing.Signer) (*writer, error) { return newWriterOf(dir, s, 1) }

func newWriterOf(dir string, s *signing.Signer, maxSegmentBytes int64) (*writer, error) {
	w := &writer{signer: s, clock: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
	l, err := rotation.Open(context.Background(), rotation.Options{
		Directory: dir, Origin: "test.example/auditlog", Signer: s, Scope: segline.ScopeEvent, MaxSegmentBytes: maxSegmentBytes, BindIDs: true,
		Now: func() time.Time { return w.clock },
	})
	if err != nil {
		return nil, err
	}
	enc, err := mapping.NewEncoder(mapping.Default())
	if err != nil {
		return nil, err
	}
	enc.SetResource(pcommon.NewResource(), "")
	enc.SetScope(pcommon.NewInstrumentationScope(), "")
	w.log, w.enc = l, enc
	return w, nil
}

func (w *writer) append(r plog.LogRecord) error {
	b := w.log.NewBatch()
	defer b.Release()
	err := b.Add(func(dst []byte) ([]byte, uint64, error) {
		dst, info, err := w.enc.Append(dst, r)
		return dst, info.Time, err
	}, w.log.Sign(w.signer), w.signer.Public().ID())
	if err != nil {
		return err
	}
	_, err = w.log.Append(context.Background(), b)
	return err
}

// code runs the command and compares its exit code: code N ARG…
func code(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("auditlog", args[1:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// replace changes the first occurrence of a text in a file: replace FILE OLD NEW
func replace(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	content, err := os.ReadFile(path)
	ts.Check(err)
	if !bytes.Contains(content, []byte(args[1])) {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, bytes.Replace(content, []byte(args[1]), []byte(args[2]), 1), 0o600))
}
