// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// variety returns logs of every kind, written once.
var variety = sync.OnceValue(func() []func(testing.TB) *logtest.Copy {
	var all []func(testing.TB) *logtest.Copy
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		for _, a := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
			for _, c := range []compression.Method{compression.None, compression.Zstd, compression.Gzip} {
				var w *logtest.Copy
				all = append(all, func(t testing.TB) *logtest.Copy {
					if w == nil {
						w = logtest.Write(t, rotation.Options{Scope: scope, Signer: signingtest.New(t, a), MaxSegmentBytes: 2500}, 2, 1, 3, 1, 1, 2, 4, 1, 1, 1)
						if c != compression.None {
							for _, name := range w.Segments[:len(w.Segments)-1] {
								w.Compress(t, name, c)
							}
							w.Segments = namesOf(w)
						}
					}
					return w.Clone()
				})
			}
		}
	}
	return all
})

// segments lists the segments there are.
func namesOf(w *logtest.Copy) (names []string) {
	for name := range w.Files {
		if _, err := segment.ParseName(name); err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestRandomLogsAreGood(t *testing.T) {
	t.Parallel()
	for i, log := range variety() {
		w := log(t)
		r := checkCopy(t, w)
		if len(r.Findings) != 0 || r.VerifiedEvents != r.TotalEvents || r.TotalEvents < 17 {
			t.Errorf("log %d: %d of %d events, %+v", i, r.VerifiedEvents, r.TotalEvents, r.Findings)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		commits := rapid.SliceOfN(rapid.IntRange(1, 6), 1, 6).Draw(rt, "commits")
		o := rotation.Options{MaxSegmentBytes: rapid.SampledFrom([]int64{0, 1, 1500, 5000}).Draw(rt, "segment size")}
		o.Scope = rapid.SampledFrom([]segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint}).Draw(rt, "scope")
		w := logtest.Write(t, o, commits...)
		r := checkCopy(t, w)
		events := 0
		for _, n := range commits {
			events += n
		}
		if len(r.Findings) != 0 || r.TotalEvents-r.OwnEvents != uint64(events) || r.VerifiedEvents != r.TotalEvents {
			rt.Fatalf("%d events: %+v", events, r)
		}
	})
}

// Whatever is done to the lines of a log, it is found if it changes what the log says, or
// leaves nothing that could be checked.
func TestRandomMutationsAreFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		logs := variety()
		w := logs[rapid.IntRange(0, len(logs)-1).Draw(rt, "log")](t)
		before, want := content(w), checkCopy(t, w)
		i := rapid.IntRange(0, len(w.Segments)-1).Draw(rt, "segment")
		what := mutate(rt, w, i)
		after := content(w)
		if slices.EqualFunc(before, after, bytes.Equal) {
			return
		}
		r := checkCopy(t, w)
		// What is added behind the last checkpoint does not count.
		tail := slices.Equal(kinds(r.Findings), []verify.Kind{verify.Kind("torn_tail")}) && r.TotalEvents == want.TotalEvents && r.TreeSize == want.TreeSize
		if !r.TamperingDetected && !tail && r.Verdict != verify.VerdictUnchecked {
			rt.Fatalf("%s in %s is not found: %+v", what, w.Segments[i], r.Findings)
		}
	})
}

// content returns what a log says: all of its lines.
func content(w *logtest.Copy) (all [][]byte) {
	for _, name := range namesOf(w) {
		r, err := segment.Open(w.Files, name, -1)
		if err != nil {
			return append(all, []byte(err.Error()))
		}
		for {
			line, err := r.Next()
			if err != nil {
				all = append(all, []byte(err.Error()), bytes.Clone(line))
				break
			}
			all = append(all, bytes.Clone(line))
		}
		r.Close()
	}
	return all
}

// mutate changes a segment, or the files, in a random way.
func mutate(rt *rapid.T, w *logtest.Copy, i int) string {
	name := w.Segments[i]
	f := w.Files[name]
	parsed, err := segment.ParseName(name)
	if err != nil {
		rt.Fatal(err)
	}
	if parsed.Compression != compression.None || rapid.IntRange(0, 3).Draw(rt, "bytes") == 0 {
		return mutateBytes(rt, w, i)
	}
	lines := w.Lines(i)
	at := rapid.IntRange(0, len(lines)-1).Draw(rt, "line")
	other := rapid.IntRange(0, len(lines)-1).Draw(rt, "other line")
	what := rapid.SampledFrom([]string{"delete", "repeat", "swap", "move", "from another segment", "truncate"}).Draw(rt, "mutation")
	switch what {
	case "delete":
		lines = slices.Delete(lines, at, at+1)
	case "repeat":
		lines = slices.Insert(lines, other, lines[at])
	case "swap":
		lines[at], lines[other] = lines[other], lines[at]
	case "move":
		line := lines[at]
		lines = slices.Insert(slices.Delete(lines, at, at+1), min(other, len(lines)-1), line)
	case "from another segment":
		newest := w.Lines(len(w.Segments) - 1)
		lines[at] = newest[rapid.IntRange(0, len(newest)-1).Draw(rt, "theirs")]
	case "truncate":
		lines = lines[:at]
	}
	f.Data = bytes.Join(lines, nil)
	return fmt.Sprintf("%s of line %d (%d)", what, at+1, other+1)
}

func mutateBytes(rt *rapid.T, w *logtest.Copy, i int) string {
	f := w.Files[w.Segments[i]]
	at := rapid.IntRange(0, len(f.Data)-1).Draw(rt, "at")
	switch rapid.SampledFrom([]string{"change", "insert", "delete", "truncate", "append", "remove file", "swap files"}).Draw(rt, "mutation") {
	case "change":
		f.Data[at] ^= byte(rapid.IntRange(1, 255).Draw(rt, "bits"))
		return fmt.Sprintf("a change of byte %d", at)
	case "insert":
		f.Data = slices.Insert(f.Data, at, rapid.Byte().Draw(rt, "byte"))
		return fmt.Sprintf("an insertion at byte %d", at)
	case "delete":
		f.Data = slices.Delete(f.Data, at, at+1)
		return fmt.Sprintf("a deletion of byte %d", at)
	case "truncate":
		f.Data = f.Data[:at]
		return fmt.Sprintf("a truncation to %d bytes", at)
	case "append":
		f.Data = append(f.Data, rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(rt, "tail")...)
		return "an addition"
	case "remove file":
		delete(w.Files, w.Segments[i])
		return "a removal"
	default:
		j := rapid.IntRange(0, len(w.Segments)-1).Draw(rt, "with")
		g := w.Files[w.Segments[j]]
		f.Data, g.Data = g.Data, f.Data
		return "an exchange with " + w.Segments[j]
	}
}

func FuzzSegment(f *testing.F) {
	w := logtest.Write(f, rotation.Options{Scope: segline.ScopeCheckpoint, Signer: signingtest.New(f, signing.Ed25519)}, 1, 2)
	whole := w.Files[w.Segments[0]].Data
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(bytes.ReplaceAll(whole, []byte("\n"), nil))
	f.Add([]byte("{\"event\":{}}\n{\"checkpoint\":\"\"}\n\x00\n"))
	want := content(w)
	f.Fuzz(func(t *testing.T, b []byte) {
		c := w.Clone()
		c.Files[c.Segments[0]].Data = b
		r, err := verify.Log(t.Context(), c.Files, verify.Options{Keys: trusting(w)})
		if err != nil {
			t.Skip(err) // signed with no trusted key
		}
		if r.Verdict == verify.VerdictOK && !slices.EqualFunc(content(c), want, bytes.Equal) && r.VerifiedEvents > 0 {
			// What follows the last checkpoint is not counted.
			if !bytes.HasPrefix(b, whole) {
				t.Errorf("a changed segment passes: %+v", r)
			}
		}
		if r.VerifiedEvents+r.FailedEvents != r.TotalEvents {
			t.Errorf("%d verified and %d failed of %d", r.VerifiedEvents, r.FailedEvents, r.TotalEvents)
		}
	})
}

func trusting(w *logtest.Copy) []*signing.PublicKey { return []*signing.PublicKey{w.Signer.Public()} }
