// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// checkLive verifies with one goroutine, so that what before does needs no lock.
func checkLive(t testing.TB, w *logtest.Copy, before func(name string)) *verify.Report {
	t.Helper()
	fsys := logtest.Live{MapFS: w.Files, Before: before}
	return check(t, fsys, verify.Options{Keys: []*signing.PublicKey{w.Signer.Public()}, Jobs: 1})
}

func TestSegmentsCompressedMeanwhile(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, slices.Repeat([]int{1}, 8)...)
	want := checkCopy(t, w)
	for i, name := range w.Segments {
		for _, at := range []string{name, w.Segments[0]} {
			c := w.Clone()
			r := checkLive(t, c, func(opened string) {
				if opened == at && c.Files[name] != nil {
					c.Compress(t, name, compression.Zstd)
				}
			})
			if len(r.Findings) != 0 || r.VerifiedEvents != want.VerifiedEvents {
				t.Errorf("segment %d, compressed when %s was opened: %d of %d events, %+v", i, at, r.VerifiedEvents, want.VerifiedEvents, r.Findings)
			}
		}
	}
}

// A directory is not read at once: what is renamed meanwhile can be in neither
// part.
func TestSegmentThatAListingMissed(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, slices.Repeat([]int{1}, 8)...)
	want := checkCopy(t, w)
	missed := w.Files[w.Segments[1]]
	listings := 0
	r := checkLive(t, w, func(opened string) {
		if opened == "." {
			if listings++; listings == 1 {
				delete(w.Files, w.Segments[1])
			} else {
				w.Files[w.Segments[1]] = missed
			}
		}
	})
	if len(r.Findings) != 0 || r.VerifiedEvents != want.VerifiedEvents {
		t.Errorf("%d of %d events, %+v", r.VerifiedEvents, want.VerifiedEvents, r.Findings)
	}
}

// The event that says what is being pruned was written after the log was listed.
func TestSegmentsPrunedMeanwhile(t *testing.T) {
	w := logtest.Write(t, rotation.Options{Scope: segline.ScopeCheckpoint, MaxSegmentBytes: 2000}, slices.Repeat([]int{1}, 8)...)
	h, err := segment.ParseHeader(bytes.TrimSuffix(w.Lines(1)[0], []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	root := checkCopy(t, w).Segments[0].RootHash
	pruned := false
	r := checkLive(t, w, func(opened string) {
		if opened == w.Segments[0] && !pruned {
			pruned = true
			w.Extend(t, logtest.BareLine(logtest.OwnEvent("pruned", fmt.Sprintf(`{"action":"pruned","before":%d,"root_hash":%q}`, h.FirstIndex, base64Of(root)))))
			delete(w.Files, w.Segments[0])
		}
	})
	if !slices.Equal(kinds(r.Findings), []verify.Kind{verify.Kind("pruned")}) {
		t.Errorf("%+v", r.Findings)
	}
}

// The checkpoint file may be newer than the segments as they were listed only if it
// is read after them.
func TestLogGrowsMeanwhile(t *testing.T) {
	w := logtest.Write(t, rotation.Options{Scope: segline.ScopeCheckpoint}, 1)
	grow := func() {
		w.Extend(t, logtest.BareLine(logtest.OwnEvent("opened", `{"action":"opened"}`)))
		lines := w.Lines(0)
		note, err := segment.ParseCheckpoint(bytes.TrimSuffix(lines[len(lines)-1], []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		w.Files["checkpoint"] = &fstest.MapFile{Data: note, Mode: 0o600}
	}
	r := checkLive(t, w, func(string) { grow() })
	if r.TamperingDetected {
		t.Errorf("%+v", r.Findings)
	}
}

func TestLogThatNeverStandsStill(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, slices.Repeat([]int{1}, 8)...)
	n := 0
	fsys := logtest.Live{MapFS: w.Files, Before: func(opened string) {
		if opened != "." {
			return
		}
		// Another segment is gone at each look.
		delete(w.Files, w.Segments[n%len(w.Segments)])
		n++
		w.Files[w.Segments[n%len(w.Segments)]] = &fstest.MapFile{Data: []byte("x"), Mode: 0o600}
	}}
	if r, err := verify.Log(t.Context(), fsys, verify.Options{Jobs: 1}); err == nil && !r.TamperingDetected || err != nil && !errors.Is(err, verify.ErrChanging) {
		t.Errorf("%v", err)
	}
}
