// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// eachKind runs a test for both scopes and both key types.
func eachKind(t *testing.T, f func(t *testing.T, o rotation.Options)) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		for _, a := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
			t.Run(fmt.Sprintf("%s/%s", scope, a), func(t *testing.T) {
				f(t, rotation.Options{Scope: scope, Signer: signingtest.New(t, a)})
			})
		}
	}
}

func TestGoodLog(t *testing.T) {
	eachKind(t, func(t *testing.T, o rotation.Options) {
		o.MaxSegmentBytes = 3000
		w := logtest.Write(t, o, 1, 2, 3, 4, 5)
		r := checkCopy(t, w)
		if len(r.Findings) != 0 || r.TamperingDetected || r.SelfAttested {
			t.Errorf("%+v", r.Findings)
		}
		own := uint64(len(w.Segments)) // opened, and a rotated for each segment but the first
		commits := uint64(6)           // of the opened event, and of ours
		if r.TotalEvents != 15+own || r.VerifiedEvents != 15+own || r.OwnEvents != own || r.FailedEvents != 0 {
			t.Errorf("total %d, verified %d, own %d, failed %d; want 15 and %d of the log's own", r.TotalEvents, r.VerifiedEvents, r.OwnEvents, r.FailedEvents, own)
		}
		if len(w.Segments) < 2 || len(r.Segments) != len(w.Segments) || r.Origin != "test.example/auditlog" || r.TreeSize != 15+2*own+commits {
			t.Errorf("%d segments, origin %q, tree size %d", len(r.Segments), r.Origin, r.TreeSize)
		}
		if !slices.Equal(r.KeyIDs, []string{o.Signer.Public().ID()}) {
			t.Errorf("keys %q", r.KeyIDs)
		}
		if self := check(t, w.Files, verify.Options{}); !self.SelfAttested || self.TamperingDetected {
			t.Errorf("without a key: %+v", self)
		}
	})
}

func TestTimeRange(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 10)
	at := func(minute int) time.Time { return time.Date(2026, 11, 23, 10, minute, 0, 0, time.UTC) }
	// The log was opened at 10:00; the events of each minute from then on are of one commit,
	// at 10:09.
	for _, tt := range []struct {
		since, until      time.Time
		byEvent, byCommit uint64
	}{
		{at(0), at(10), 11, 0}, {at(1), at(10), 9, 1}, {at(3), at(5), 2, 0}, {at(9), time.Time{}, 1, 9},
		{time.Time{}, at(1), 2, 0}, {time.Time{}, at(9), 10, 0}, {at(20), time.Time{}, 0, 0},
	} {
		r := check(t, w.Files, verify.Options{Keys: []*signing.PublicKey{w.Signer.Public()}, Since: tt.since, Until: tt.until})
		if want := tt.byEvent + tt.byCommit; r.TotalEvents != want || r.VerifiedEvents != want || r.InRangeByEventTime != tt.byEvent || r.InRangeByCommitTime != tt.byCommit {
			t.Errorf("%s to %s: %d of %d events, %d by their own time, %d by their commit's; want %+v", tt.since, tt.until, r.VerifiedEvents, r.TotalEvents, r.InRangeByEventTime, r.InRangeByCommitTime, tt)
		}
	}
	// Integrity is checked whole, whatever the range.
	lines := w.Lines(0)
	n := w.LineOf(t, 0, "id-003") - 1
	lines[n] = bytes.Replace(lines[n], []byte("user-"), []byte("User-"), 1)
	w.SetLines(0, lines)
	if r := check(t, w.Files, verify.Options{Since: at(20)}); !r.TamperingDetected {
		t.Error("a change outside the range was not found")
	}
}

// Each way of tampering with the files is found, and named with the file and, as
// far as what is left can tell, the line.
func TestTampering(t *testing.T) {
	t.Parallel()
	type change struct {
		name string
		// do changes the log and returns the segment and the line that are to be
		// named; 0 for any line.
		do   func(t *testing.T, w *logtest.Copy) (name string, line int)
		kind verify.Kind // in scope event
		any  verify.Kind // in scope checkpoint
	}
	edit := func(text string, f func(lines [][]byte, i int) [][]byte) func(*testing.T, *logtest.Copy) (string, int) {
		return func(t *testing.T, w *logtest.Copy) (string, int) {
			n := w.LineOf(t, 1, text)
			w.SetLines(1, f(w.Lines(1), n-1))
			return w.Segments[1], n
		}
	}
	// The second segment has commits of one event, so that lines can be told.
	for _, c := range []change{
		{"byte of an event", edit("id-005", func(l [][]byte, i int) [][]byte {
			l[i] = bytes.Replace(l[i], []byte("user-005"), []byte("user-500"), 1)
			return l
		}), verify.EventSignatureInvalid, verify.RootMismatch},
		{"line deleted", edit("id-005", func(l [][]byte, i int) [][]byte { return slices.Delete(l, i, i+1) }), verify.RootMismatch, verify.RootMismatch},
		{"line repeated", func(t *testing.T, w *logtest.Copy) (string, int) {
			n := w.LineOf(t, 1, "id-005")
			w.SetLines(1, slices.Insert(w.Lines(1), n, w.Lines(1)[n-1]))
			return w.Segments[1], n + 1
		}, verify.LineInserted, verify.LineInserted},
		{"event replayed later", func(t *testing.T, w *logtest.Copy) (string, int) {
			n := w.LineOf(t, 1, "id-006")
			w.SetLines(1, slices.Insert(w.Lines(1), n-1, w.Lines(1)[w.LineOf(t, 1, "id-005")-1]))
			return w.Segments[1], n
		}, verify.LineInserted, verify.LineInserted},
		{"lines swapped within a commit", func(t *testing.T, w *logtest.Copy) (string, int) {
			n := w.LineOf(t, 0, "id-001")
			l := w.Lines(0)
			l[n-1], l[n] = l[n], l[n-1]
			w.SetLines(0, l)
			return w.Segments[0], n
		}, verify.LinesSwapped, verify.LinesSwapped},
		{"events of two commits swapped", edit("id-005", func(l [][]byte, i int) [][]byte {
			l[i], l[i+3] = l[i+3], l[i]
			return l
		}), verify.RootMismatch, verify.RootMismatch},
		{"a commit deleted", edit("id-005", func(l [][]byte, i int) [][]byte { return slices.Delete(l, i, i+3) }), verify.RootMismatch, verify.RootMismatch},
		{"a checkpoint deleted between others", func(t *testing.T, w *logtest.Copy) (string, int) {
			n := w.LineOf(t, 1, "id-005") + 1
			w.SetLines(1, slices.Delete(w.Lines(1), n, n+1))
			return w.Segments[1], n
		}, verify.CommitInvalid, verify.CommitInvalid},
		{"a commit line deleted", edit("id-005", func(l [][]byte, i int) [][]byte { return slices.Delete(l, i+1, i+2) }), verify.RootMismatch, verify.RootMismatch},
		{"a commit line and its checkpoint deleted", edit("id-005", func(l [][]byte, i int) [][]byte { return slices.Delete(l, i+1, i+3) }), verify.RootMismatch, verify.RootMismatch},
		{"byte of a commit line", edit("id-005", func(l [][]byte, i int) [][]byte {
			l[i+1] = bytes.Replace(l[i+1], []byte(".000000000Z"), []byte(".000000001Z"), 1)
			return l
		}), verify.RootMismatch, verify.RootMismatch},
		{"signature stripped", edit("id-005", func(l [][]byte, i int) [][]byte {
			e, err := segment.ParseEvent(nil, bytes.TrimSuffix(l[i], []byte("\n")))
			if err != nil {
				t.Fatal(err)
			}
			if e.KeyID == "" && !e.Unsigned {
				l[i] = append(segline.AppendNullSignature(append(segline.AppendEventStart(nil), e.Canonical...)), '\n')
			} else {
				l[i] = append(segline.AppendNoSignature(append(segline.AppendEventStart(nil), e.Canonical...)), '\n')
			}
			return l
		}), verify.UnsignedEvent, verify.EventMalformed},
		{"checkpoint deleted", func(t *testing.T, w *logtest.Copy) (string, int) {
			// The last of a sealed segment.
			l := w.Lines(1)
			w.SetLines(1, l[:len(l)-1])
			return w.Segments[1], 0
		}, verify.SegmentTruncated, verify.SegmentTruncated},
		{"byte of a checkpoint", edit("id-005", func(l [][]byte, i int) [][]byte {
			at := bytes.LastIndex(l[i+2], []byte(`\n"`)) - 10
			l[i+2][at] ^= 1
			return l
		}), "", ""},
		{"junk line", edit("id-005", func(l [][]byte, i int) [][]byte { return slices.Insert(l, i, []byte("junk\n")) }), verify.EventMalformed, verify.EventMalformed},
		{"empty line", edit("id-005", func(l [][]byte, i int) [][]byte { return slices.Insert(l, i, []byte("\n")) }), verify.EventMalformed, verify.EventMalformed},
		{"header changed", func(t *testing.T, w *logtest.Copy) (string, int) {
			l := w.Lines(1)
			l[0] = bytes.Replace(l[0], []byte(".000000000Z"), []byte(".000000001Z"), 1)
			w.SetLines(1, l)
			return w.Segments[1], 1
		}, verify.RootMismatch, verify.RootMismatch},
		{"frontier changed", func(t *testing.T, w *logtest.Copy) (string, int) {
			l := w.Lines(1)
			at := bytes.Index(l[0], []byte(`"frontier":["`)) + len(`"frontier":["`)
			l[0][at] = map[bool]byte{true: 'B', false: 'A'}[l[0][at] == 'A']
			w.SetLines(1, l)
			return w.Segments[1], 1
		}, verify.RootMismatch, verify.RootMismatch},
		{"header removed", func(t *testing.T, w *logtest.Copy) (string, int) {
			w.SetLines(1, w.Lines(1)[1:])
			return w.Segments[1], 1
		}, verify.HeaderInvalid, verify.HeaderInvalid},
		{"middle segment removed", func(t *testing.T, w *logtest.Copy) (string, int) {
			delete(w.Files, w.Segments[1])
			return w.Segments[2], 0
		}, verify.SegmentMissing, verify.SegmentMissing},
		{"first segment removed", func(t *testing.T, w *logtest.Copy) (string, int) {
			delete(w.Files, w.Segments[0])
			return w.Segments[1], 0
		}, verify.SegmentMissing, verify.SegmentMissing},
		{"sealed segment truncated", func(t *testing.T, w *logtest.Copy) (string, int) {
			f := w.Files[w.Segments[1]]
			f.Data = f.Data[:len(f.Data)*2/3]
			return w.Segments[1], 0
		}, verify.SegmentTruncated, verify.SegmentTruncated},
		{"sealed segment emptied", func(t *testing.T, w *logtest.Copy) (string, int) {
			w.Files[w.Segments[1]].Data = nil
			return w.Segments[1], 1
		}, verify.SegmentTruncated, verify.SegmentTruncated},
		{"segment renamed", func(t *testing.T, w *logtest.Copy) (string, int) {
			n, err := segment.ParseName(w.Segments[1])
			if err != nil {
				t.Fatal(err)
			}
			n.FirstIndex++
			w.Files[n.String()] = w.Files[w.Segments[1]]
			delete(w.Files, w.Segments[1])
			return n.String(), 1
		}, verify.HeaderInvalid, verify.HeaderInvalid},
		{"segment copied under a second name", func(t *testing.T, w *logtest.Copy) (string, int) {
			n, err := segment.ParseName(w.Segments[1])
			if err != nil {
				t.Fatal(err)
			}
			n.Created = n.Created.Add(time.Hour)
			w.Files[n.String()] = w.Files[w.Segments[1]]
			return n.String(), 0
		}, verify.SegmentOverlap, verify.SegmentOverlap},
		{"segments' contents swapped", func(t *testing.T, w *logtest.Copy) (string, int) {
			a, b := w.Files[w.Segments[1]], w.Files[w.Segments[2]]
			a.Data, b.Data = b.Data, a.Data
			return w.Segments[1], 1
		}, verify.HeaderInvalid, verify.HeaderInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachKind(t, func(t *testing.T, o rotation.Options) {
				o.MaxSegmentBytes = 4200
				if o.Scope == segline.ScopeCheckpoint {
					o.MaxSegmentBytes = 3600
				}
				w := logtest.Write(t, o, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
				if len(w.Segments) < 3 || !bytes.Contains(w.Files[w.Segments[0]].Data, []byte("id-002")) {
					t.Fatalf("the log is not as the test needs it: %q", w.Segments)
				}
				if !bytes.Contains(w.Files[w.Segments[1]].Data, []byte("id-005")) || !bytes.Contains(w.Files[w.Segments[1]].Data, []byte("id-006")) {
					shift(t, w)
				}
				name, line := c.do(t, w)
				r := checkCopy(t, w)
				if !r.TamperingDetected {
					t.Fatalf("not found; findings %+v", r.Findings)
				}
				want := c.kind
				if o.Scope == segline.ScopeCheckpoint {
					want = c.any
				}
				found := bad(r)
				if want != "" && !slices.Contains(kinds(found), want) {
					t.Errorf("kinds %q, want %q", kinds(found), want)
				}
				if !slices.ContainsFunc(found, func(f verify.Finding) bool {
					return f.Segment == name && (line == 0 || f.Line == line || f.Line <= line && line <= f.LastLine || c.name == "byte of a checkpoint" && f.Line == line+2)
				}) {
					t.Errorf("no finding names %s line %d: %+v", name, line, found)
				}
			})
		})
	}
}

// shift renames the log's ids so that the second segment holds id-005 and id-006,
// which tests look for; it does so by pointing names at the segment that does.
func shift(t *testing.T, w *logtest.Copy) {
	t.Helper()
	for i := 1; i < len(w.Segments)-1; i++ {
		if d := w.Files[w.Segments[i]].Data; bytes.Contains(d, []byte("id-005")) && bytes.Contains(d, []byte("id-006")) {
			w.Segments[1], w.Segments[2] = w.Segments[i], w.Segments[i+1]
			return
		}
	}
	t.Fatal("no segment holds both events")
}

// What is good behind a change is still counted.
func TestLaterEventsAreStillCounted(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 4000}, slices.Repeat([]int{1}, 20)...)
	n := w.LineOf(t, 0, "id-001")
	l := w.Lines(0)
	l[n-1] = bytes.Replace(l[n-1], []byte("user-001"), []byte("user-100"), 1)
	w.SetLines(0, l)
	r := checkCopy(t, w)
	if r.FailedEvents != 1 || r.VerifiedEvents != r.TotalEvents-1 || !slices.Equal(r.FailedEventIDs, []string{"id-001"}) {
		t.Errorf("total %d, verified %d, failed %d %q", r.TotalEvents, r.VerifiedEvents, r.FailedEvents, r.FailedEventIDs)
	}
	if f := bad(r)[0]; f.Line != n || f.EventID != "id-001" || f.Index == nil || *f.Index != 5 {
		t.Errorf("%+v", f)
	}
}

// No change of any byte of a small log goes unseen.
func TestEveryByteCounts(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			t.Parallel()
			w := logtest.Write(t, rotation.Options{Scope: scope, Signer: signingtest.New(t, signing.Ed25519), MaxSegmentBytes: 1500}, 1, 1)
			if len(w.Segments) < 2 {
				t.Fatal("no sealed segment")
			}
			want := checkCopy(t, w)
			for _, name := range w.Segments {
				f := w.Files[name]
				newest := name == w.Segments[len(w.Segments)-1]
				for at := range f.Data {
					if at%byteStep != 0 || testing.Short() && at%11 != 0 {
						continue
					}
					for _, bits := range []byte{0x01, []byte{0x20, 0x80, 0xff}[at%3]} {
						f.Data[at] ^= bits
						r := checkCopy(t, w)
						f.Data[at] ^= bits
						if r.TamperingDetected || cutOff(r, want) {
							continue
						}
						// The last line's end may be cut off by a crash; its loss shows
						// in the counts, and against any checkpoint that was kept.
						if newest && at == len(f.Data)-1 && r.TreeSize < want.TreeSize {
							continue
						}
						t.Errorf("%s byte %d (%q) xor %#x is not found: %+v", name, at, f.Data[at], bits, r.Findings)
					}
				}
			}
		})
	}
}

func TestKeptCheckpoints(t *testing.T) {
	signer := signingtest.New(t, signing.ECDSAP256)
	w := logtest.Write(t, rotation.Options{Signer: signer, MaxSegmentBytes: 3000}, 1, 1, 1, 1, 1, 1)
	options := func(notes ...[]byte) verify.Options {
		return verify.Options{Keys: []*signing.PublicKey{signer.Public()}, Checkpoints: keptNotes(notes...)}
	}
	var notes [][]byte
	for i := range w.Segments {
		for _, line := range w.Lines(i) {
			if segment.KindOf(line) == segline.KindCheckpoint {
				note, err := segment.ParseCheckpoint(bytes.TrimSuffix(line, []byte("\n")))
				if err != nil {
					t.Fatal(err)
				}
				notes = append(notes, note)
			}
		}
	}
	if r := check(t, w.Files, options(notes...)); len(r.Findings) != 0 {
		t.Errorf("its own checkpoints: %+v", r.Findings)
	}
	sign := func(origin string, size uint64, s *signing.Signer) []byte {
		note, err := signing.SignCheckpoint(origin, size, [32]byte{1}, s)
		if err != nil {
			t.Fatal(err)
		}
		return note
	}
	for name, note := range map[string][]byte{
		"larger than the log": sign("test.example/auditlog", 1000, signer),
		"of another history":  sign("test.example/auditlog", 4, signer),
	} {
		if found := kinds(bad(check(t, w.Files, options(note)))); !slices.Contains(found, verify.Rollback) {
			t.Errorf("%s: %q", name, found)
		}
	}
	// What the caller has kept wrongly accuses nobody.
	changed := bytes.Replace(notes[0], []byte("test.example"), []byte("Test.example"), 1)
	for name, note := range map[string][]byte{
		"of another log":                             sign("other.example/auditlog", 4, signer),
		"of another key":                             sign("test.example/auditlog", 4, signingtest.New(t, signing.ECDSAP256)),
		"with a capital":                             changed,
		"of another log, larger":                     sign("other.example/auditlog", 1000, signer),
		"with another size":                          bytes.Replace(notes[0], []byte("\n3\n"), []byte("\n5\n"), 1),
		"with a signature of ours that does not fit": append(sign("test.example/auditlog", 9, signer)[:len("test.example/auditlog\n9\n")], notes[0][len("test.example/auditlog\n4\n"):]...),
	} {
		o := options(note)
		o.Checkpoints[0].Name = "kept.txt"
		r := check(t, w.Files, o)
		if found := ofKind(r, verify.CheckpointUnchecked); r.Verdict != verify.VerdictUnchecked || len(found) != 1 || !strings.Contains(found[0].Message, "kept.txt") {
			t.Errorf("%s: %s, %+v", name, r.Verdict, r.Findings)
		}
	}
	for _, junk := range []string{"junk", "\ufeff" + string(notes[0])} {
		if _, err := verify.Log(t.Context(), w.Files, options([]byte(junk))); err == nil || !strings.Contains(err.Error(), "kept checkpoint 1 is none") {
			t.Errorf("%q was taken for a checkpoint: %v", junk, err)
		}
	}
	// The newest commits cut off, and the checkpoint file with them.
	cut := w.Clone()
	delete(cut.Files, "checkpoint")
	delete(cut.Files, cut.Segments[len(cut.Segments)-1])
	if r := check(t, cut.Files, options()); r.TamperingDetected {
		t.Errorf("without a kept checkpoint nothing can tell, but: %+v", r.Findings)
	}
	if found := kinds(bad(check(t, cut.Files, options(notes[len(notes)-1])))); !slices.Contains(found, verify.Rollback) {
		t.Errorf("cut short: %q", found)
	}
}

func TestKeys(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 2)
	other := signingtest.New(t, signing.Ed25519).Public()
	if _, err := verify.Log(t.Context(), w.Files, verify.Options{Keys: []*signing.PublicKey{other}}); !errors.Is(err, verify.ErrWrongKey) {
		t.Errorf("with another key: %v", err)
	}
	if r := check(t, w.Files, verify.Options{Keys: []*signing.PublicKey{other, w.Signer.Public()}}); r.TamperingDetected {
		t.Errorf("with one more key: %+v", r.Findings)
	}
	// Somebody continues the log with a key of his own.
	forged := logtest.Write(t, rotation.Options{Signer: signingtest.New(t, signing.ECDSAP256), MaxSegmentBytes: 1}, 2, 1)
	w.Files[forged.Segments[1]] = forged.Files[forged.Segments[1]]
	if r := checkCopy(t, w); !r.TamperingDetected {
		t.Error("a segment signed by a stranger was taken")
	}
}

func TestSplices(t *testing.T) {
	signer := signingtest.New(t, signing.ECDSAP256)
	a := logtest.Write(t, rotation.Options{Signer: signer, MaxSegmentBytes: 3000}, 1, 1, 1, 1, 1, 1)
	b := logtest.Write(t, rotation.Options{Signer: signer, MaxSegmentBytes: 3000, Origin: "other.example/log"}, 1, 1, 1, 1, 1, 1)
	t.Run("segment of another log", func(t *testing.T) {
		w := a.Clone()
		w.Files[w.Segments[1]].Data = b.Files[b.Segments[1]].Data
		if r := checkCopy(t, w); !r.TamperingDetected {
			t.Error("not found")
		}
	})
	t.Run("event of another log", func(t *testing.T) {
		w := a.Clone()
		l := w.Lines(0)
		l[w.LineOf(t, 0, "id-000")-1] = b.Lines(0)[b.LineOf(t, 0, "id-000")-1]
		w.SetLines(0, l)
		// Ids and signatures are alike in both, so that the lines are equal unless the
		// signer is hedged: what was changed may be nothing.
		if r := checkCopy(t, w); !r.TamperingDetected && !bytes.Equal(w.Files[w.Segments[0]].Data, a.Files[a.Segments[0]].Data) {
			t.Error("not found")
		}
	})
	t.Run("checkpoint of another log", func(t *testing.T) {
		w := a.Clone()
		l := w.Lines(0)
		l[len(l)-1] = b.Lines(0)[len(b.Lines(0))-1]
		w.SetLines(0, l)
		if r := checkCopy(t, w); !r.TamperingDetected {
			t.Error("not found")
		}
	})
}

func TestTornTail(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1, 1)
	last := w.Segments[len(w.Segments)-1]
	for name, tail := range map[string]string{"partial line": `{"event":{"a"`, "whole line": string(w.Lines(0)[w.LineOf(t, 0, "id-000")-1]), "zeros": strings.Repeat("\x00", 100)} {
		c := w.Clone()
		c.Files[last].Data = append(c.Files[last].Data, tail...)
		r := checkCopy(t, c)
		if name == "whole line" || name == "partial line" {
			if r.TamperingDetected || !slices.Contains(kinds(r.Findings), verify.Kind("torn_tail")) || r.TotalEvents != 3 {
				t.Errorf("%s: %d events, %+v", name, r.TotalEvents, r.Findings)
			}
		} else if len(r.Findings) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

func TestPruned(t *testing.T) {
	t.Parallel()
	o := rotation.Options{MaxSegmentBytes: 3000, Retention: rotation.Retention{MaxSegments: 2}}
	w := writePruned(t, o)
	r := checkCopy(t, w)
	if r.TamperingDetected || !slices.Contains(kinds(r.Findings), verify.Kind("pruned")) || r.Segments[0].FirstIndex == 0 {
		t.Fatalf("%+v", r.Findings)
	}
	// One segment more than retention took.
	delete(w.Files, w.Segments[0])
	if r := checkCopy(t, w); !slices.Contains(kinds(bad(r)), verify.SegmentMissing) {
		t.Errorf("a deletion passed for retention: %+v", r.Findings)
	}
}

// writePruned writes a log whose first segments have been pruned.
func writePruned(t *testing.T, o rotation.Options) *logtest.Copy {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		// Retention runs beside the writer: try again if it came too late.
		if w := logtest.Write(t, o, slices.Repeat([]int{1}, 200)...); !strings.Contains(w.Segments[0], "00000000000000000000") {
			return w
		}
	}
	t.Fatal("retention never ran")
	return nil
}

func TestDuplicateIDs(t *testing.T) {
	signer := signingtest.New(t, signing.ECDSAP256)
	dir := filepath.Join(t.TempDir(), "log")
	o := rotation.Options{Directory: dir, Origin: "o", Signer: signer, Scope: segline.ScopeEvent}
	l, err := rotation.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	other := logtest.Write(t, rotation.Options{Signer: signer}, 1)
	line := other.Lines(0)[other.LineOf(t, 0, "id-000")-1]
	parsed, err := segment.ParseEvent(nil, bytes.TrimSuffix(line, []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b := l.NewBatch()
		if err := b.Add(func(dst []byte) ([]byte, uint64, error) { return append(dst, parsed.Canonical...), 0, nil }, l.Sign(signer), signer.Public().ID()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := checkCopy(t, logtest.LoadCopy(t, dir, signer))
	if r.TamperingDetected || len(r.Findings) != 1 || r.Findings[0].Kind != verify.Kind("duplicate_event_id") || r.Findings[0].Line != 8 || r.Findings[0].EventID != "id-000" {
		t.Errorf("%+v", r.Findings)
	}
}

func TestCompressedSegments(t *testing.T) {
	t.Parallel()
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 3000}, 1, 1, 1, 1, 1, 1)
	for _, c := range []compression.Method{compression.Zstd, compression.Gzip} {
		p := w.Clone()
		var buf bytes.Buffer
		z, err := compression.NewWriter(&buf, c)
		if err != nil {
			t.Fatal(err)
		}
		plain := p.Files[p.Segments[0]].Data
		if _, err := z.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		packed := p.Segments[0] + c.Suffix()
		p.Files[packed] = &fstest.MapFile{Data: buf.Bytes(), Mode: 0o600}
		if r := checkCopy(t, p); r.TamperingDetected || !slices.Contains(kinds(r.Findings), verify.Kind("compression_leftover")) {
			t.Errorf("%s beside plain: %+v", c, r.Findings)
		}
		p.Files[p.Segments[0]].Data = bytes.Replace(plain, []byte("user-000"), []byte("user-999"), 1)
		if r := checkCopy(t, p); !slices.Contains(kinds(bad(r)), verify.SegmentOverlap) {
			t.Errorf("%s beside another plain: %+v", c, r.Findings)
		}
		delete(p.Files, p.Segments[0])
		if r := checkCopy(t, p); len(r.Findings) != 0 {
			t.Errorf("%s: %+v", c, r.Findings)
		}
		want := checkCopy(t, p)
		for at := range buf.Bytes() {
			if at%7 != 0 {
				continue
			}
			p.Files[packed].Data = bytes.Clone(buf.Bytes())
			p.Files[packed].Data[at] ^= 0x10
			if r := checkCopy(t, p); !r.TamperingDetected && r.VerifiedEvents != want.VerifiedEvents {
				t.Errorf("%s byte %d: %+v", c, at, r.Findings)
			}
		}
		p.Files[packed].Data = append(bytes.Clone(buf.Bytes()), buf.Bytes()...)
		if r := checkCopy(t, p); len(bad(r)) == 0 {
			t.Errorf("%s twice: %+v", c, r.Findings)
		}
	}
}

func TestHostileDirectories(t *testing.T) {
	t.Parallel()
	w := logtest.Write(t, rotation.Options{}, 1)
	dir := t.TempDir()
	for name, f := range w.Files {
		if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	name := "audit-00000000000000000100-20261123T101500Z.jsonl"
	at := filepath.Join(dir, name)
	for what, make := range map[string]func() error{
		"pipe":      func() error { return syscall.Mkfifo(at, 0o600) },
		"link":      func() error { return os.Symlink("/dev/zero", at) },
		"directory": func() error { return os.Mkdir(at, 0o700) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		r := check(t, os.DirFS(dir), verify.Options{})
		if found := bad(r); len(found) != 1 || found[0].Kind != verify.SegmentUnreadable || found[0].Segment != name {
			t.Errorf("%s: %+v", what, r.Findings)
		}
		if err := os.Remove(at); err != nil {
			t.Fatal(err)
		}
	}
	header := string(w.Lines(0)[0])
	for what, content := range map[string]string{
		"one endless line":  header + strings.Repeat("x", segline.MaxBytes+10),
		"deep nesting":      header + `{"event":` + strings.Repeat(`{"a":`, 1_000_000) + "\n",
		"binary":            strings.Repeat("\x00\xff\n", 1000),
		"gigantic index":    strings.Replace(header, `"first_index":0`, `"first_index":18446744073709551615`, 1),
		"duplicate members": strings.Replace(header, `"segment":{`, `"segment":{"format":"auditlog/v1",`, 1),
	} {
		c := w.Clone()
		c.Files[c.Segments[0]].Data = []byte(content)
		r, err := verify.Log(t.Context(), c.Files, verify.Options{})
		if err == nil && len(r.Findings) == 0 {
			t.Errorf("%s: nothing found", what)
		}
	}
}

func TestCannotBeChecked(t *testing.T) {
	if _, err := verify.Log(t.Context(), fstest.MapFS{"x": {}}, verify.Options{}); !errors.Is(err, verify.ErrNoLog) {
		t.Errorf("no log: %v", err)
	}
	if _, err := verify.Log(t.Context(), os.DirFS(filepath.Join(t.TempDir(), "missing")), verify.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 1}, slices.Repeat([]int{1}, 20)...)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := verify.Log(ctx, w.Files, verify.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// The same half-way; that nothing is left running is checked for all tests.
	ctx, cancel = context.WithCancel(context.Background())
	if _, err := verify.Log(ctx, w.Files, verify.Options{Jobs: 2, Progress: func(int64, int64) { cancel() }}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled half-way: %v", err)
	}
	// Missing is not empty: a checkpoint without segments.
	for _, name := range w.Segments {
		delete(w.Files, name)
	}
	if r := check(t, w.Files, verify.Options{}); !r.TamperingDetected {
		t.Error("all segments gone, and nothing found")
	}
}

func TestReportIsDeterministic(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, slices.Repeat([]int{2}, 20)...)
	for i := range w.Segments {
		l := w.Lines(i)
		l[1] = bytes.Replace(l[1], []byte(`"level":"info"`), []byte(`"level":"debug"`), 1)
		w.SetLines(i, l)
	}
	want := fmt.Sprintf("%+v", checkCopy(t, w).Findings)
	for range 5 {
		r := check(t, w.Files, verify.Options{Keys: []*signing.PublicKey{w.Signer.Public()}, Jobs: 7})
		for i := range r.Findings {
			r.Findings[i].Index = nil
		}
		again := checkCopy(t, w)
		for i := range again.Findings {
			again.Findings[i].Index = nil
		}
		if fmt.Sprintf("%+v", r.Findings) != fmt.Sprintf("%+v", again.Findings) || want == "" {
			t.Fatal("two runs differ")
		}
	}
}

func TestProgress(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 1}, 1, 1, 1)
	var done, total int64
	check(t, w.Files, verify.Options{Jobs: 1, Progress: func(d, n int64) { done, total = d, n }})
	if done != total || total == 0 {
		t.Errorf("%d of %d bytes", done, total)
	}
}
