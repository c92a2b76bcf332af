// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// sample is a log of some kind, and what an auditor has of it.
type sample struct {
	dir  string
	keys []*signing.Signer // of which the first is trusted
	// checkpointKey, if there is one, is known to sign each checkpoint; witness, to have
	// cosigned one.
	checkpointKey *signing.Signer
	witness       *witness.Key
	// kept is a checkpoint that the log had once; nil if none was kept.
	kept []byte
	// older is the directory as it once was.
	older string
}

// sampleClock is a clock that goes on by a second each time that it is looked at.
func sampleClock() func() time.Time {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

// sampleWriter writes a log in several runs of a writer.
type sampleWriter struct {
	*logtest.Log
	t *testing.T
	n int
}

func newSampleWriter(t *testing.T, o rotation.Options) *sampleWriter {
	if o.Origin == "" {
		o.Origin = vectorOrigin
	}
	if o.Scope == "" {
		o.Scope = segline.ScopeEvent
	}
	o.Sync = true
	o.Now = sampleClock()
	return &sampleWriter{Log: logtest.Closed(t, o), t: t}
}

// run opens the log, makes commits of so many events each, and closes the log once sealed segments
// are compressed, or deleted.
func (w *sampleWriter) run(commits ...int) {
	w.t.Helper()
	w.Open()
	for _, n := range commits {
		events := make([][]byte, n)
		for i := range events {
			events[i] = w.event()
		}
		w.Canonical(events...)
	}
	w.Settle()
	w.Close()
}

// event returns an event in canonical JSON.
func (w *sampleWriter) event() []byte {
	w.n++
	return fmt.Appendf(nil, `{"category":"session_management","event_id":"id-%d","level":"info","metadata":{"user.name":"user-%d"},"operation":"log","resource_id":"r","resource_type":"t","success":null,"timestamp":"2026-11-23T10:%02d:00.000000000Z"}`, w.n, w.n, w.n%60)
}

// snapshot copies the directory as it is.
func (w *sampleWriter) snapshot() string {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "older")
	require.NoError(w.t, os.CopyFS(dir, os.DirFS(w.Options.Directory)))
	return dir
}

func (w *sampleWriter) sample(older string, keys ...*signing.Signer) *sample {
	w.t.Helper()
	for _, name := range []string{w.Options.Directory, older} {
		require.NoError(w.t, os.Remove(filepath.Join(name, durable.LockName)))
	}
	kept, err := os.ReadFile(filepath.Join(older, sidefile.CheckpointName))
	require.NoError(w.t, err)
	return &sample{dir: w.Options.Directory, keys: keys, kept: kept, older: older}
}

func newSigner(t *testing.T, a signing.Algorithm) *signing.Signer {
	t.Helper()
	s, err := keyfile.Create(filepath.Join(t.TempDir(), "key.pem"), a)
	require.NoError(t, err)
	return s
}

// sampleKinds write a log of each kind that there is.
var sampleKinds = []struct {
	name, about string
	write       func(t *testing.T) *sample
}{
	{"plain-event", "several segments, events are signed", func(t *testing.T) *sample {
		return ofSegments(t, rotation.Options{Signer: newSigner(t, signing.ECDSAP256)})
	}},
	{"plain-checkpoint", "several segments, checkpoints are signed only", func(t *testing.T) *sample {
		return ofSegments(t, rotation.Options{Signer: newSigner(t, signing.Ed25519), Scope: segline.ScopeCheckpoint})
	}},
	{"gzip", "sealed segments are gzip members", func(t *testing.T) *sample {
		return ofSegments(t, rotation.Options{Signer: newSigner(t, signing.Ed25519), Compression: compression.Gzip})
	}},
	{"zstd", "sealed segments are zstd frames", func(t *testing.T) *sample {
		return ofSegments(t, rotation.Options{Signer: newSigner(t, signing.Ed25519), Scope: segline.ScopeCheckpoint, Compression: compression.Zstd})
	}},
	{"ids", "commits bind the ids of their events", func(t *testing.T) *sample {
		return ofSegments(t, rotation.Options{Signer: newSigner(t, signing.Ed25519), BindIDs: true})
	}},
	{"another-log", "a log of another name", func(t *testing.T) *sample {
		return ofSegments(t, rotation.Options{Signer: newSigner(t, signing.Ed25519), Origin: vectorOrigin + "/tenant-a"})
	}},
	{"one-segment", "a single segment, in two runs of its writer", func(t *testing.T) *sample {
		w := newSampleWriter(t, rotation.Options{Signer: newSigner(t, signing.Ed25519)})
		w.run(1)
		older := w.snapshot()
		w.run(2)
		return w.sample(older, w.Options.Signer)
	}},
	{"torn-tail", "a crash has left half of a commit line", func(t *testing.T) *sample {
		s := ofSegments(t, rotation.Options{Signer: newSigner(t, signing.Ed25519)})
		newest := newestOf(t, s.dir)
		b, err := os.ReadFile(newest)
		if err != nil {
			t.Fatal(err)
		}
		// The last commit loses its checkpoint and a part of its commit line.
		cut := bytes.LastIndex(b, []byte(`{"commit":`)) + 20
		if err := errors.Join(os.WriteFile(newest, b[:cut], 0o600), os.Remove(filepath.Join(s.dir, sidefile.CheckpointName))); err != nil {
			t.Fatal(err)
		}
		return s
	}},
	{"pruned", "retention has deleted the beginning; the kept checkpoint is of that beginning", func(t *testing.T) *sample {
		w := newSampleWriter(t, rotation.Options{Signer: newSigner(t, signing.Ed25519), MaxSegmentBytes: 2000, Retention: rotation.Retention{MinAge: time.Second}})
		w.run(1, 1, 1)
		older := w.snapshot()
		w.Options.Retention.MaxTotalBytes = 8000
		w.run(1, 1, 1, 1)
		return w.sample(older, w.Options.Signer)
	}},
	{"segment-keys", "a key for each segment, and the beginning deleted", func(t *testing.T) *sample {
		file := filepath.Join(t.TempDir(), "key.pem")
		first, err := keyfile.Create(file, signing.ECDSAP256)
		if err != nil {
			t.Fatal(err)
		}
		w := newSampleWriter(t, rotation.Options{MaxSegmentBytes: 2500, Retention: rotation.Retention{MinAge: time.Second}})
		run := func(commits ...int) {
			keys, err := keyfile.OpenRotating(file)
			if err != nil {
				t.Fatal(err)
			}
			w.Options.Signer, w.Options.SegmentKeys = keys.Current(), keys
			w.run(commits...)
		}
		run(1, 1, 1)
		older := w.snapshot()
		w.Options.Retention.MaxTotalBytes = 16000
		run(1, 1)
		return w.sample(older, first)
	}},
	{"keys-and-scopes", "the scope, the key and the features change, one after another", func(t *testing.T) *sample {
		keys := []*signing.Signer{newSigner(t, signing.ECDSAP256), newSigner(t, signing.Ed25519)}
		w := newSampleWriter(t, rotation.Options{Signer: keys[0]})
		w.run(1)
		w.Options.Scope = segline.ScopeCheckpoint
		w.run(1)
		older := w.snapshot()
		w.Options.PreviousSigner, w.Options.Signer = keys[0], keys[1]
		w.run(1)
		w.Options.Scope, w.Options.BindIDs = segline.ScopeEvent, true
		w.run(1)
		return w.sample(older, keys...)
	}},
	{"checkpoint-key", "two keys sign checkpoints, and the first one changes", func(t *testing.T) *sample {
		keys := []*signing.Signer{newSigner(t, signing.ECDSAP256), newSigner(t, signing.ECDSAP256)}
		w := newSampleWriter(t, rotation.Options{Signer: keys[0], CheckpointSigner: newSigner(t, signing.Ed25519), MaxSegmentBytes: 2000})
		w.run(1, 1)
		older := w.snapshot()
		w.Options.PreviousSigner, w.Options.Signer = keys[0], keys[1]
		w.run(1, 1)
		s := w.sample(older, keys...)
		s.checkpointKey = w.Options.CheckpointSigner
		return s
	}},
	{"checkpoint-key-leaves", "a checkpoint key leaves by a key change", func(t *testing.T) *sample {
		w := newSampleWriter(t, rotation.Options{Signer: newSigner(t, signing.ECDSAP256), CheckpointSigner: newSigner(t, signing.Ed25519)})
		w.run(1)
		older := w.snapshot()
		leaving := w.Options.CheckpointSigner
		w.Options.PreviousCheckpointSigner, w.Options.CheckpointSigner = leaving, nil
		w.run(1, 1)
		s := w.sample(older, w.Options.Signer)
		s.checkpointKey = leaving
		return s
	}},
	{"witnessed", "a witness has cosigned a checkpoint", func(t *testing.T) *sample {
		w := witnesstest.New(t, "witness.example/w1")
		signer := newSigner(t, signing.Ed25519)
		w.Trust(t, vectorOrigin, signer.Public())
		s := ofSegments(t, rotation.Options{Signer: signer, Witnesses: []cosigning.Witness{w}})
		s.witness = w.Key
		return s
	}},
	{"values", "three commitments, two openings", writeValues},
}

// ofSegments writes a log of several segments with one key.
func ofSegments(t *testing.T, o rotation.Options) *sample {
	t.Helper()
	o.MaxSegmentBytes = 2000
	w := newSampleWriter(t, o)
	w.run(1, 2)
	older := w.snapshot()
	w.run(2, 1, 1)
	return w.sample(older, o.Signer)
}

func newestOf(t *testing.T, dir string) string {
	t.Helper()
	all := segmentsIn(t, dir, 1)
	return all[len(all)-1]
}

// options are what our verifier is told.
func (s *sample) options() verify.Options {
	o := verify.Options{Keys: []*signing.PublicKey{s.keys[0].Public()}, Jobs: 1}
	if s.witness != nil {
		o.Witnesses = []*witness.Key{s.witness}
	}
	if s.checkpointKey != nil {
		o.CheckpointKeys = []*signing.PublicKey{s.checkpointKey.Public()}
	}
	if s.kept != nil {
		o.Checkpoints = []verify.Kept{{Note: s.kept}}
	}
	return o
}

// arguments are what the other one is told, for a log in a directory.
func (s *sample) arguments(t *testing.T, dir string) []string {
	t.Helper()
	kept := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(kept, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
	args := []string{dir, write("key.pem", keyfile.MarshalPublic(s.keys[0].Public()))}
	if s.checkpointKey != nil {
		args = append(args, "--checkpoint-key", write("checkpoint-key.pem", keyfile.MarshalPublic(s.checkpointKey.Public())))
	}
	if s.witness != nil {
		args = append(args, "--witness", s.witness.String())
	}
	if s.kept != nil {
		args = append(args, "--checkpoint", write("kept", s.kept))
	}
	return args
}
