// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// stranger continues a log with a segment of one event, signed with a key and not
// introduced by the one before. keys are those that its header names.
func stranger(t testing.TB, w *logtest.Copy, s *signing.Signer, keys ...segline.Key) {
	t.Helper()
	last := len(w.Segments) - 1
	tree, log := w.Tree(t, last, len(w.Lines(last))), w.Header(t, last).Log
	created := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	name := segment.Name{FirstIndex: tree.Size(), Created: created, Compression: compression.None}
	header := segment.Header{Origin: "test.example/auditlog", Log: log, FirstIndex: tree.Size(), Frontier: tree.Hashes(), Created: created, Retain: created, Scope: segline.ScopeCheckpoint, Keys: keys}.AppendTo(nil)
	w.Segments = append(w.Segments, name.String())
	w.Files[name.String()] = &fstest.MapFile{Data: append(header, '\n'), Mode: 0o600}
	signer := w.Signer
	w.Signer = s
	w.Extend(t, logtest.BareLine(logtest.OwnEvent("opened", `{"action":"opened"}`)))
	w.Signer = signer
}

// A key that appears without a key change is found, whoever's it is.
func TestKeyWithoutKeyChange(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	thief := signingtest.New(t, signing.ECDSAP256)
	for name, c := range map[string]struct {
		key    *signing.Signer
		given  []*signing.Signer
		events uint64 // that count
	}{
		"a stranger's":                        {thief, keys[:1], 13},
		"one that was left":                   {keys[0], keys[:1], 14},
		"one that was left, all are given":    {keys[1], keys, 14},
		"a stranger's, though it is given":    {thief, []*signing.Signer{keys[0], thief}, 14},
		"a stranger's, the newest is given":   {thief, keys[2:], 13},
		"one that was left, another is given": {keys[0], keys[1:2], 13},
	} {
		t.Run(name, func(t *testing.T) {
			w := logtest.WriteKeys(t, rotation.Options{}, keys...)
			stranger(t, w, c.key, segline.KeyOf(c.key.Public()))
			var o verify.Options
			for _, k := range c.given {
				o.Keys = append(o.Keys, k.Public())
			}
			r := check(t, w.Files, o)
			last := w.Segments[len(w.Segments)-1]
			found := slices.ContainsFunc(bad(r), func(f verify.Finding) bool {
				return f.Kind == verify.UnknownKey && f.Segment == last && f.Line == 1 && strings.Contains(f.Message, "no key change leads")
			})
			if !found {
				t.Errorf("findings %+v", r.Findings)
			}
			// What no trusted key's checkpoint covers is not counted at the end of a log.
			if r.VerifiedEvents != c.events || r.TotalEvents != c.events {
				t.Errorf("%d of %d events verified, want %d", r.VerifiedEvents, r.TotalEvents, c.events)
			}
		})
	}
}

// Every byte of a log with a key change and a second checkpoint key means something.
func TestKeyChangeMutated(t *testing.T) {
	t.Parallel()
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			keys := []*signing.Signer{signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)}
			w := logtest.WriteKeys(t, rotation.Options{Scope: scope, CheckpointSigner: signingtest.New(t, signing.Ed25519)}, keys...)
			want := checkCopy(t, w)
			if want.TamperingDetected {
				t.Fatalf("%+v", want.Findings)
			}
			for _, name := range append(w.Segments[1:2:2], sidefile.KeyChangesName) {
				file := w.Files[name]
				for i := 0; i < len(file.Data); i += 3 * byteStep {
					if name == sidefile.KeyChangesName && i == len(file.Data)-1 {
						continue // without its end, the last line is one that is being written
					}
					before := file.Data[i]
					file.Data[i] ^= 1 << (i % 7)
					r, err := verify.Log(context.Background(), w.Files, verify.Options{Keys: []*signing.PublicKey{keys[0].Public()}})
					if err == nil && !r.TamperingDetected && !cutOff(r, want) {
						t.Errorf("%s, byte %d: %q became %q, and nothing was found", name, i, before, file.Data[i])
					}
					file.Data[i] = before
				}
			}
		})
	}
}

// A checkpoint is signed by all keys that the header names, and the first after a key
// change by the key before.
func TestCheckpointSignaturesStripped(t *testing.T) {
	keys, checkpointKey := logtest.ThreeKeys(t)[:2], signingtest.New(t, signing.Ed25519)
	w := logtest.WriteKeys(t, rotation.Options{CheckpointSigner: checkpointKey}, keys...)
	strip := func(w *logtest.Copy, segmentNo, line, signature int) {
		lines := w.Lines(segmentNo)
		note, err := segment.ParseCheckpoint(bytes.TrimSuffix(lines[line], []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		text, signatures, _ := strings.Cut(string(note), "\n\n")
		all := strings.SplitAfter(strings.TrimSuffix(signatures, "\n"), "\n")
		all = slices.Delete(all, signature, signature+1)
		note = []byte(text + "\n\n" + strings.TrimSuffix(strings.Join(all, ""), "\n") + "\n")
		lines[line] = append(segline.AppendCheckpoint(nil, note), '\n')
		w.SetLines(segmentNo, lines)
	}
	first := w.LineOf(t, 1, `{"checkpoint"`) - 1
	for name, c := range map[string]struct {
		line, signature int
		want            string
	}{
		"the checkpoint key's": {first, 1, checkpointKey.Public().ID()},
		"the signing key's":    {first, 0, keys[1].Public().ID()},
		"the previous key's":   {first, 2, keys[0].Public().ID()},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.Clone()
			strip(w, 1, c.line, c.signature)
			for _, given := range []*signing.Signer{keys[0], keys[1]} {
				r := check(t, w.Files, verify.Options{Keys: []*signing.PublicKey{given.Public()}})
				if !slices.ContainsFunc(bad(r), func(f verify.Finding) bool {
					return f.Kind == verify.CheckpointSignatureInvalid && f.Line == c.line+1 && strings.Contains(f.Message, c.want)
				}) {
					t.Errorf("given %s: %+v", given.Public().ID(), r.Findings)
				}
			}
		})
	}
}

// Retention deletes the segments in which keys were changed; the file of key changes
// still leads from the first key to the newest.
func TestKeyChangesOutliveTheirSegments(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	o := rotation.Options{Directory: filepath.Join(t.TempDir(), "log"), Retention: rotation.Retention{MaxSegments: 1}}
	w := logtest.WriteKeys(t, o, keys...)
	// Whether the writer pruned before it was closed is not sure: the second start does.
	if len(w.Segments) > 1 {
		t.Skip("not pruned yet")
	}
	r := checkCopy(t, w)
	if r.TamperingDetected || r.Segments[0].Trust != "introduced" {
		t.Errorf("%+v", r)
	}
	changes := w.Files[sidefile.KeyChangesName]
	for name, content := range map[string][]byte{
		"gone":           nil,
		"without a line": bytes.SplitAfter(changes.Data, []byte("\n"))[1],
		"empty":          {},
	} {
		w := w.Clone()
		if content == nil {
			delete(w.Files, sidefile.KeyChangesName)
		} else {
			w.Files[sidefile.KeyChangesName].Data = content
		}
		if _, err := verify.Log(t.Context(), w.Files, verify.Options{Keys: []*signing.PublicKey{keys[0].Public()}}); !errors.Is(err, verify.ErrWrongKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the file of key changes says is held against the log.
func TestKeyChangesFileContradicts(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	thief := signingtest.New(t, signing.ECDSAP256)
	good := logtest.WriteKeys(t, rotation.Options{}, keys...)
	change := func(index uint64, from, to *signing.Signer, origin string) []byte {
		note := logtest.SignKeyChange(t, signing.KeyChange{Origin: origin, Log: good.Header(t, 0).Log, Index: index}, from, to)
		return append(sidefile.AppendKeyChange(nil, note), '\n')
	}
	for name, c := range map[string]struct {
		line []byte
		want verify.Kind
	}{
		"beyond the end":       {change(1000, keys[0], thief, "test.example/auditlog"), verify.Rollback},
		"within a segment":     {change(9, keys[0], thief, "test.example/auditlog"), verify.KeyChangeInvalid},
		"of another log":       {change(9, keys[0], thief, "other.example/auditlog"), verify.KeyChangeInvalid},
		"not a key change":     {[]byte("{\"key_change\":\"x\"}\n"), verify.KeyChangeInvalid},
		"not in good form":     {[]byte("hello\n"), verify.KeyChangeInvalid},
		"a line of a mebibyte": {append(bytes.Repeat([]byte("x"), 1<<20), '\n'), verify.KeyChangeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			w := good.Clone()
			f := w.Files[sidefile.KeyChangesName]
			f.Data = append(f.Data, c.line...)
			r := checkCopy(t, w)
			if got := bad(r); len(got) != 1 || got[0].Kind != c.want || got[0].Segment != sidefile.KeyChangesName {
				t.Errorf("findings %+v", r.Findings)
			}
			if r.VerifiedEvents != r.TotalEvents {
				t.Errorf("%d of %d events", r.VerifiedEvents, r.TotalEvents)
			}
		})
	}
	t.Run("cut off", func(t *testing.T) {
		w := good.Clone()
		f := w.Files[sidefile.KeyChangesName]
		f.Data = f.Data[:len(f.Data)-10]
		if r := checkCopy(t, w); r.TamperingDetected {
			t.Errorf("a line that is being written: %+v", r.Findings)
		}
	})
	t.Run("gone", func(t *testing.T) {
		w := good.Clone()
		delete(w.Files, sidefile.KeyChangesName)
		if r := checkCopy(t, w); r.TamperingDetected {
			t.Errorf("the segments have it all: %+v", r.Findings)
		}
	})
}

// What a key signs after it was revoked is found, and a key that it introduced, whenever that
// was, is not trusted unless it is listed itself.
func TestRevokedKey(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	w := logtest.WriteKeys(t, rotation.Options{}, keys...)
	second, third := logtest.FirstIndex(t, w, 1), logtest.FirstIndex(t, w, 2)
	public := func(k *signing.Signer, revoked *trust.Point) trust.Key {
		return trust.Key{Public: k.Public(), Revoked: revoked, Reason: "stolen"}
	}
	noon := &trust.Point{Time: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	for name, c := range map[string]struct {
		keys     trust.Keys
		failed   uint64
		kind     verify.Kind
		segments []string // trust
	}{
		"none is":                          {trust.Keys{public(keys[0], nil)}, 0, "", []string{"given", "introduced", "introduced"}},
		"after it was left":                {trust.Keys{public(keys[0], logtest.AtLeaf(second+1))}, 10, verify.UnknownKey, []string{"given", "unknown", "unknown"}},
		"after it was left, next listed":   {trust.Keys{public(keys[0], logtest.AtLeaf(second+1)), public(keys[1], nil)}, 0, "", []string{"given", "given", "introduced"}},
		"after it was left, last listed":   {trust.Keys{public(keys[0], logtest.AtLeaf(second+1)), public(keys[2], nil)}, 5, verify.UnknownKey, []string{"given", "unknown", "given"}},
		"before its last event":            {trust.Keys{public(keys[0], logtest.AtLeaf(second-2)), public(keys[1], nil)}, 1, verify.KeyRevoked, []string{"given", "given", "introduced"}},
		"at a time, next listed":           {trust.Keys{public(keys[0], noon), public(keys[1], nil)}, 0, "", []string{"given", "given", "introduced"}},
		"at a time":                        {trust.Keys{public(keys[0], noon)}, 10, verify.UnknownKey, []string{"given", "unknown", "unknown"}},
		"the second, known by the first":   {trust.Keys{public(keys[0], nil), public(keys[1], logtest.AtLeaf(third-2)), public(keys[2], nil)}, 1, verify.KeyRevoked, []string{"given", "given", "given"}},
		"the second, the third not listed": {trust.Keys{public(keys[0], nil), public(keys[1], logtest.AtLeaf(third+1))}, 5, verify.UnknownKey, []string{"given", "given", "unknown"}},
		"listed, but for checkpoints":      {trust.Keys{public(keys[0], nil), {Public: keys[1].Public(), Use: trust.UseCheckpoints}}, 10, verify.UnknownKey, []string{"given", "unknown", "unknown"}},
		"listed as an anchor":              {trust.Keys{public(keys[0], nil), {Public: keys[1].Public(), Use: trust.UseAnchor}}, 10, verify.UnknownKey, []string{"given", "unknown", "unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := check(t, w.Files, verify.Options{Trust: c.keys})
			if r.FailedEvents != c.failed || !slices.Equal(trustOf(r), c.segments) {
				t.Errorf("%d failed, trust %q; want %d, %q", r.FailedEvents, trustOf(r), c.failed, c.segments)
			}
			if got := kinds(bad(r)); c.kind == "" && len(got) > 0 || c.kind != "" && !slices.Contains(got, c.kind) {
				t.Errorf("findings %q", got)
			}
			if r.SelfAttested {
				t.Error("the keys of the trust file are given")
			}
		})
	}
}

func trustOf(r *verify.Report) (all []string) {
	for _, s := range r.Segments {
		all = append(all, s.Trust)
	}
	return all
}
