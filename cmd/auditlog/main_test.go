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
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
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
func TestScripts(outer *testing.T) {
	testscript.Run(outer, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			t := inSetup{e.T()}
			_, err := keyfile.Create(filepath.Join(e.WorkDir, "other.pem"), signing.Ed25519)
			require.NoError(t, err)
			s, err := keyfile.Create(filepath.Join(e.WorkDir, "key.pem"), signing.ECDSAP256)
			require.NoError(t, err)
			l := newLog(t, filepath.Join(e.WorkDir, "log"), s, 1)
			for _, r := range records() {
				l.Records(r)
			}
			l.Close()
			writeReceipts(t, e.WorkDir, l)
			return writeWitnessed(outer, e.WorkDir, s)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":    code,
			"grow":    grow,
			"replace": replace,
		},
	})
}

// inSetup fails what sets a script up.
type inSetup struct{ testscript.T }

func (s inSetup) Errorf(format string, args ...any) { s.Log(fmt.Sprintf(format, args...)) }

// inCommand fails a command of a script.
type inCommand struct{ *testscript.TestScript }

func (c inCommand) Errorf(format string, args ...any) { c.Logf(format, args...) }

func (c inCommand) FailNow() { c.Fatalf("the log could not be written") }

// writeReceipts writes the receipts of the log.
func writeReceipts(t require.TestingT, dir string, l *logtest.Log) {
	i, err := issuer.Open(issuer.Options{Log: l.Options.Directory, Origin: l.Options.Origin, Directory: filepath.Join(dir, "receipts"), MaxFileBytes: 1 << 20})
	require.NoError(t, err)
	c := l.Newest()
	_, err = i.Issue(context.Background(), issuer.Durable{Segment: c.Segment, Bytes: c.SegmentBytes, Size: c.TreeSize})
	require.NoError(t, errors.Join(err, i.Close()))
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
	l := logtest.New(t, rotation.Options{
		Directory: filepath.Join(dir, "witnessed"), Origin: "witnessed.example/auditlog", Signer: s, CheckpointSigner: checkpointKey,
		Scope: segline.ScopeEvent, Witnesses: []cosigning.Witness{w},
	})
	l.Close() // which asks the witness
	return nil
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
	l := logtest.New(inCommand{ts}, o)
	for range 6 {
		l.Commit(70)
	}
	l.Settle()
	l.Close()
}

// records are what the scripts' log holds, one a segment.
func records() []plog.LogRecord {
	var all []plog.LogRecord
	for i, attributes := range []map[string]string{
		{"user.id": "alice", "audit.action": "login", "audit.outcome": "success", "audit.category": "authentication", "session.id": "s-1"},
		{"user.id": "mallory\x1b[2J", "audit.action": "login", "audit.outcome": "failure", "audit.category": "authentication", "note": "evil\u202etxt"},
		{"user.id": "bob", "audit.action": "logout", "audit.outcome": "unknown", "audit.category": "session_management"},
	} {
		r := plog.NewLogRecord()
		r.SetTimestamp(pcommon.NewTimestampFromTime(began.Add(time.Duration(i) * time.Hour)))
		r.Attributes().PutStr("audit.record.id", fmt.Sprintf("id-%d", i))
		for k, v := range attributes {
			r.Attributes().PutStr(k, v)
		}
		all = append(all, r)
	}
	return all
}

// began is when most logs here began.
var began = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// newLog opens a log whose segments take so many bytes; with 1, each commit takes a segment.
func newLog(t require.TestingT, dir string, s *signing.Signer, maxSegmentBytes int64) *logtest.Log {
	return logtest.New(t, rotation.Options{
		Directory: dir, Signer: s, Scope: segline.ScopeEvent, MaxSegmentBytes: maxSegmentBytes, BindIDs: true, Now: func() time.Time { return began },
	})
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
