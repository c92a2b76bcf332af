// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// live is a directory that changes while it is being read.
type live struct {
	fstest.MapFS
	// before is called before a file or, as ".", the directory is opened.
	before func(name string)
}

func (l live) Lstat(name string) (fs.FileInfo, error) {
	l.before(name)
	return l.MapFS.Lstat(name)
}

func (l live) ReadDir(name string) ([]fs.DirEntry, error) {
	l.before(name)
	return l.MapFS.ReadDir(name)
}

// compress replaces a segment as the writer does.
func (w *written) compress(t testing.TB, name string, c compression.Method) {
	t.Helper()
	var buf bytes.Buffer
	z, err := compression.NewWriter(&buf, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(w.fsys[name].Data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	w.fsys[name+c.Suffix()] = &fstest.MapFile{Data: buf.Bytes(), Mode: 0o600}
	delete(w.fsys, name)
}

// check verifies with one goroutine, so that the changes need no lock.
func (l live) check(t testing.TB, w *written) *verify.Report {
	t.Helper()
	return check(t, l, verify.Options{Keys: []*signing.PublicKey{w.signer.Public()}, Jobs: 1})
}

func TestSegmentsCompressedMeanwhile(t *testing.T) {
	w := write(t, rotation.Options{MaxSegmentBytes: 2000}, slices.Repeat([]int{1}, 8)...)
	want := w.check(t)
	for i, name := range w.names {
		for _, at := range []string{name, w.names[0]} {
			c := w.clone()
			r := live{c.fsys, func(opened string) {
				if opened == at && c.fsys[name] != nil {
					c.compress(t, name, compression.Zstd)
				}
			}}.check(t, c)
			if len(r.Findings) != 0 || r.VerifiedEvents != want.VerifiedEvents {
				t.Errorf("segment %d, compressed when %s was opened: %d of %d events, %+v", i, at, r.VerifiedEvents, want.VerifiedEvents, r.Findings)
			}
		}
	}
}

// A directory is not read at once: what is renamed meanwhile can be in neither
// part.
func TestSegmentThatAListingMissed(t *testing.T) {
	w := write(t, rotation.Options{MaxSegmentBytes: 2000}, slices.Repeat([]int{1}, 8)...)
	want := w.check(t)
	missed := w.fsys[w.names[1]]
	listings := 0
	r := live{w.fsys, func(opened string) {
		if opened == "." {
			if listings++; listings == 1 {
				delete(w.fsys, w.names[1])
			} else {
				w.fsys[w.names[1]] = missed
			}
		}
	}}.check(t, w)
	if len(r.Findings) != 0 || r.VerifiedEvents != want.VerifiedEvents {
		t.Errorf("%d of %d events, %+v", r.VerifiedEvents, want.VerifiedEvents, r.Findings)
	}
}

// The event that says what is being pruned was written after the log was listed.
func TestSegmentsPrunedMeanwhile(t *testing.T) {
	w := write(t, rotation.Options{Scope: segline.ScopeCheckpoint, MaxSegmentBytes: 2000}, slices.Repeat([]int{1}, 8)...)
	h, err := segment.ParseHeader(bytes.TrimSuffix(w.lines(1)[0], []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	root := w.check(t).Segments[0].RootHash
	pruned := false
	r := live{w.fsys, func(opened string) {
		if opened == w.names[0] && !pruned {
			pruned = true
			w.extend(t, bare(own("pruned", fmt.Sprintf(`{"action":"pruned","before":%d,"root_hash":%q}`, h.FirstIndex, base64Of(root)))))
			delete(w.fsys, w.names[0])
		}
	}}.check(t, w)
	if !slices.Equal(kinds(r.Findings), []verify.Kind{verify.Kind("pruned")}) {
		t.Errorf("%+v", r.Findings)
	}
}

// The checkpoint file may be newer than the segments as they were listed only if it
// is read after them.
func TestLogGrowsMeanwhile(t *testing.T) {
	w := write(t, rotation.Options{Scope: segline.ScopeCheckpoint}, 1)
	grow := func() {
		w.extend(t, bare(own("opened", `{"action":"opened"}`)))
		lines := w.lines(0)
		note, err := segment.ParseCheckpoint(bytes.TrimSuffix(lines[len(lines)-1], []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		w.fsys["checkpoint"] = &fstest.MapFile{Data: note, Mode: 0o600}
	}
	r := live{w.fsys, func(string) { grow() }}.check(t, w)
	if r.TamperingDetected {
		t.Errorf("%+v", r.Findings)
	}
}

func TestLogThatNeverStandsStill(t *testing.T) {
	w := write(t, rotation.Options{MaxSegmentBytes: 2000}, slices.Repeat([]int{1}, 8)...)
	n := 0
	fsys := live{w.fsys, func(opened string) {
		if opened != "." {
			return
		}
		// Another segment is gone at each look.
		delete(w.fsys, w.names[n%len(w.names)])
		n++
		w.fsys[w.names[n%len(w.names)]] = &fstest.MapFile{Data: []byte("x"), Mode: 0o600}
	}}
	if r, err := verify.Log(t.Context(), fsys, verify.Options{Jobs: 1}); err == nil && !r.TamperingDetected || err != nil && !errors.Is(err, verify.ErrChanging) {
		t.Errorf("%v", err)
	}
}

// A proof is made of a log that is being compressed and pruned while it is read.
func TestProveMeanwhile(t *testing.T) {
	w := write(t, rotation.Options{MaxSegmentBytes: 2000}, slices.Repeat([]int{1}, 8)...)
	for i, name := range w.names[:len(w.names)-1] {
		for _, q := range []proof.Query{{EventID: "id-003"}, {Index: 1, ByIndex: true}, {Index: 10, ByIndex: true}} {
			for _, how := range []string{"compressed", "pruned"} {
				c := w.clone()
				next, err := segment.ParseName(w.names[i+1])
				if err != nil {
					t.Fatal(err)
				}
				changed := false
				p, err := proof.Prove(t.Context(), live{c.fsys, func(opened string) {
					if opened != name || changed {
						return
					}
					changed = true
					if how == "compressed" {
						c.compress(t, name, compression.Zstd)
						return
					}
					c.extend(t, bare(own("pruned", fmt.Sprintf(`{"action":"pruned","before":%d}`, next.FirstIndex))))
					for _, one := range w.names[:i+1] {
						delete(c.fsys, one)
					}
				}}, q)
				if errors.Is(err, proof.ErrPruned) && how == "pruned" {
					continue
				}
				if err != nil {
					t.Errorf("%+v, segment %d %s meanwhile: %v", q, i, how, err)
					continue
				}
				if _, err := proof.Check(p.Marshal(), proof.Options{Keys: public(w.signer)}); err != nil {
					t.Errorf("%+v, segment %d %s meanwhile: %v", q, i, how, err)
				}
			}
		}
	}
}
