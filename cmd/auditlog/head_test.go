// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtree"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// forger writes a log line by line with the log's own keys, and puts events at the head of a
// segment where no writer does.
type forger struct {
	t        *testing.T
	dir      string
	signer   *signing.Signer
	previous *signing.Signer // signs the next checkpoint, too
	now      time.Time
	tree     merkle.Frontier
	mark     *consistency.Mark // at the beginning of the segment
	header   segment.Header
	text     []byte
	commits  uint64
	events   int
}

const forgedOrigin = "forged.example/auditlog"

func newForger(t *testing.T, s *signing.Signer) *forger {
	dir := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.Mkdir(dir, 0o700))
	return &forger{t: t, dir: dir, signer: s, now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
}

func newKey(t *testing.T) *signing.Signer {
	t.Helper()
	s, err := keyfile.Create(filepath.Join(t.TempDir(), "key.pem"), signing.Ed25519)
	require.NoError(t, err)
	return s
}

func (f *forger) line(line []byte) {
	consistency.Append(&f.tree, merkle.LeafHash(line), []*consistency.Mark{f.mark})
	f.text = append(append(f.text, line...), '\n')
}

// begin begins a segment an hour after the one before, which it returns.
func (f *forger) begin() logevent.Segment {
	before := logevent.Segment{FirstIndex: f.header.FirstIndex, TreeSize: f.tree.Size(), RootHash: f.tree.Root()}
	if f.mark != nil {
		before.Segment, before.Range = f.name(), f.mark.Range(&f.tree)
	}
	f.now = f.now.Truncate(time.Hour).Add(time.Hour)
	f.header = segment.Header{
		Origin: forgedOrigin, Log: signing.LogID{1}, FirstIndex: f.tree.Size(), Frontier: f.tree.Hashes(), Created: f.now,
		Scope: segline.ScopeCheckpoint, Retain: time.Unix(0, 0), Keys: []segline.Key{segline.KeyOf(f.signer.Public())},
	}
	f.text, f.mark = nil, consistency.NewMark(&f.tree)
	f.line(f.header.AppendTo(nil))
	return before
}

func (f *forger) name() string {
	return segment.Name{FirstIndex: f.header.FirstIndex, Created: f.header.Created, Compression: compression.None}.String()
}

func (f *forger) event(canonical []byte) {
	f.line(segline.AppendNoSignature(append(segline.AppendEventStart(nil), canonical...)))
}

// early is when clients say that their events happened.
var early = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// client writes an event of a client's.
func (f *forger) client() {
	f.events++
	f.event(fmt.Appendf(nil, `{"category":"system_health","event_id":"id-%d","level":"info","metadata":{},"operation":"x","resource_id":"r","resource_type":"t","success":null,"timestamp":%q}`,
		f.events, timestamp.Format(timestamp.Nanoseconds(early))))
}

func (f *forger) say(e logevent.Event) {
	f.events++
	f.event(ownevent.Append(nil, &e, fmt.Sprint("own-", f.events), f.now, forgedOrigin))
}

func (f *forger) commit() {
	f.t.Helper()
	f.now = f.now.Add(time.Second)
	f.commits++
	f.line(segline.AppendCommit(nil, f.commits, f.now, nil))
	signers := []*signing.Signer{f.signer}
	if f.previous != nil {
		signers = append(signers, f.previous)
		f.previous = nil
	}
	note, err := signing.SignCheckpoint(forgedOrigin, f.tree.Size(), f.tree.Root(), signers...)
	require.NoError(f.t, err)
	f.text = append(segline.AppendCheckpoint(f.text, note), '\n')
	for name, content := range map[string][]byte{f.name(): f.text, sidefile.CheckpointName: note} {
		require.NoError(f.t, os.WriteFile(filepath.Join(f.dir, name), content, 0o600))
	}
}

// rotatedOn writes three segments, the last of which says on some line what lie makes of what
// it should say of the second.
func rotatedOn(t *testing.T, s *signing.Signer, line int, lie func(*logevent.Segment)) *forger {
	t.Helper()
	f := newForger(t, s)
	f.begin()
	f.client()
	f.commit()
	first := f.begin()
	f.say(logevent.Event{Action: logevent.Rotated, Previous: &first})
	f.client()
	f.commit()
	second := f.begin()
	lie(&second)
	for at := 2; at < line; at++ {
		f.client()
	}
	f.say(logevent.Event{Action: logevent.Rotated, Previous: &second})
	f.commit()
	return f
}

// What a segment says of the one before is followed by every reader on the last line of its
// head, and by none on the line after that.
func TestRotatedAtTheEndOfTheHead(t *testing.T) {
	s := newKey(t)
	for name, tt := range map[string]struct {
		line     int
		followed bool
	}{
		"the last line of the head": {logevent.HeadLines, true},
		"the line after the head":   {logevent.HeadLines + 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("verify", func(t *testing.T) {
				f := rotatedOn(t, s, tt.line, func(p *logevent.Segment) { p.RootHash = merkle.Hash{1} })
				r, err := verify.Log(t.Context(), os.DirFS(f.dir), verify.Options{Keys: []*signing.PublicKey{s.Public()}})
				require.NoError(t, err)
				if found := r.Verdict == verify.VerdictTampering && len(r.Findings) == 1 && r.Findings[0].Kind == verify.RootMismatch; found != tt.followed || !found && r.Verdict != verify.VerdictOK {
					t.Errorf("%s, %+v", r.Verdict, r.Findings)
				}
			})
			t.Run("proof", func(t *testing.T) {
				f := rotatedOn(t, s, tt.line, func(*logevent.Segment) {})
				tree, err := logtree.Open(t.Context(), os.DirFS(f.dir))
				require.NoError(t, err)
				before := tree.Stats().Segments
				// Of the leaves of the first segment, the proof needs all of the second.
				_, err = tlog.ProveRecord(int64(tree.Size()), 1, tree.Hashes(t.Context()))
				require.NoError(t, err)
				want := 1
				if !tt.followed {
					want = 2
				}
				assert.Equal(t, want, tree.Stats().Segments-before)
			})
			t.Run("show", func(t *testing.T) {
				late := early.AddDate(1, 0, 0)
				f := rotatedOn(t, s, tt.line, func(p *logevent.Segment) { p.FirstTime, p.LastTime = late, late })
				var out, errs bytes.Buffer
				code := run(t.Context(), []string{"show", f.dir, "--json", "--until", "2026-11-21T00:00:00Z"}, &out, &errs)
				require.Equal(t, exitGood, code, "exit code %d, %s", code, errs.String())
				assert.NotEqual(t, tt.followed, strings.Contains(out.String(), `"event_id":"id-3"`), "%s%s", out.String(), errs.String())
				assert.Contains(t, out.String(), `"event_id":"id-1"`, "%s%s", out.String(), errs.String())
			})
		})
	}
}

// A key change is followed by the writer and the verifier on the second line of a segment, and
// by neither on the line after that.
func TestKeyChangeAtTheEndOfItsPlace(t *testing.T) {
	from, to := newKey(t), newKey(t)
	for name, tt := range map[string]struct {
		line     int
		followed bool
	}{
		"its line":       {logevent.KeyChangedLine, true},
		"the line after": {logevent.KeyChangedLine + 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForger(t, from)
			f.begin()
			f.client()
			f.commit()
			root, size := f.tree.Root(), f.tree.Size()
			f.signer, f.previous = to, from
			before := f.begin()
			note, err := signing.SignKeyChange(signing.KeyChange{
				Origin: forgedOrigin, Log: f.header.Log, Index: size, Root: root, Header: merkle.LeafHash(bytes.TrimSuffix(f.text, []byte("\n"))), Retain: f.header.Retain,
			}, from, to)
			require.NoError(t, err)
			for at := 2; at < tt.line; at++ {
				f.client()
			}
			f.say(logevent.Event{Action: logevent.KeyChanged, KeyChange: string(note), KeyID: to.Public().ID(), PreviousKeyID: from.Public().ID()})
			f.say(logevent.Event{Action: logevent.Rotated, Previous: &before})
			f.commit()

			r, err := verify.Log(t.Context(), os.DirFS(f.dir), verify.Options{Keys: []*signing.PublicKey{from.Public()}})
			require.NoError(t, err)
			assert.Equal(t, tt.followed, r.Verdict == verify.VerdictOK, "verify: %s, %+v", r.Verdict, r.Findings)
			// The writer files the key changes that it finds.
			l, err := rotation.Open(t.Context(), rotation.Options{Directory: f.dir, Origin: forgedOrigin, Signer: to, Scope: segline.ScopeCheckpoint, Now: func() time.Time { return f.now }})
			require.NoError(t, err)
			require.NoError(t, l.Close(t.Context()))
			filed, err := os.ReadFile(filepath.Join(f.dir, sidefile.KeyChangesName))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			assert.Equal(t, tt.followed, bytes.Equal(filed, append(sidefile.AppendKeyChange(nil, note), '\n')), "the writer has filed %q", filed)
		})
	}
}
