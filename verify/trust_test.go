// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// Who can write to the directory, but not sign, appends the leave to delete what
// came before: it does not count until a checkpoint covers it.
func TestPruningIsBelievedOnlyUnderACheckpoint(t *testing.T) {
	o := rotation.Options{Scope: segline.ScopeCheckpoint, MaxSegmentBytes: 2000}
	w := logtest.Write(t, o, slices.Repeat([]int{1}, 10)...)
	last := len(w.Segments) - 1
	index, err := segment.ParseName(w.Segments[last])
	if err != nil {
		t.Fatal(err)
	}
	pruned := logtest.BareLine(logtest.OwnEvent("pruned", fmt.Sprintf(`{"action":"pruned","before":%d}`, index.FirstIndex)))
	honest := w.Clone()
	for _, name := range w.Segments[:last] {
		delete(w.Files, name)
	}
	w.Segments = w.Segments[last:]
	w.SetLines(0, append(w.Lines(0), pruned))
	if r := checkCopy(t, w); !slices.Contains(kinds(bad(r)), verify.SegmentMissing) {
		t.Errorf("an unsigned event excused the deletion: %+v", r.Findings)
	}

	// The same event under a checkpoint is the log's own word, if its root is right.
	honest.Extend(t, pruned)
	for _, name := range honest.Segments[:last] {
		delete(honest.Files, name)
	}
	if found := kinds(bad(checkCopy(t, honest))); !slices.Equal(found, []verify.Kind{verify.RootMismatch}) {
		t.Errorf("a pruning without the right root hash: %q", found)
	}
}

func TestAFloodOfWarningsHidesNothing(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1)
	var unsigned [][]byte
	for i := range 50 {
		canonical := bytes.Replace(logtest.OwnEvent("opened", `{"action":"opened"}`), []byte("own-opened"), fmt.Appendf(nil, "id-%d", i), 1)
		unsigned = append(unsigned, append(segline.AppendNullSignature(append(segline.AppendEventStart(nil), canonical...)), '\n'))
	}
	w.Extend(t, unsigned...)
	o := verify.Options{Keys: []*signing.PublicKey{w.Signer.Public()}, MaxFindings: 5}
	r := check(t, w.Files, o)
	if r.TamperingDetected || r.UnsignedEvents != 50 || len(r.Findings) != 5 || r.FindingsOmitted != 45 || r.FindingCounts[verify.Warning] != 50 {
		t.Fatalf("unsigned %d, %d findings, %d omitted, %v: %+v", r.UnsignedEvents, len(r.Findings), r.FindingsOmitted, r.FindingCounts, bad(r))
	}
	w.Extend(t, logtest.BareLine(logtest.OwnEvent("opened", `{"action":"opened"}`)))
	if r := check(t, w.Files, o); !r.TamperingDetected || len(r.Findings) != 5 || !slices.Equal(kinds(bad(r)), []verify.Kind{verify.UnsignedEvent}) {
		t.Errorf("tampering behind 50 warnings: %+v", r.Findings)
	}
}

func TestAKeyGivenTwiceIsOneKey(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1)
	again, err := signing.ParsePublicKeyDER(w.Signer.Public().SPKI())
	if err != nil {
		t.Fatal(err)
	}
	if r := check(t, w.Files, verify.Options{Keys: []*signing.PublicKey{w.Signer.Public(), again}}); len(r.Findings) != 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// Without a key, the log's own first key counts; a stranger cannot continue the log
// with one of his own.
func TestSelfAttestedLogHasOneOwner(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 1}, 1, 1)
	last := len(w.Segments) - 1
	lines := w.Lines(last)
	h, err := segment.ParseHeader(bytes.TrimSuffix(lines[0], []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	stranger := signingtest.New(t, signing.Ed25519)
	h.Keys = []segline.Key{segline.KeyOf(stranger.Public())}
	canonical := logtest.OwnEvent("opened", `{"action":"opened"}`)
	forged := append(w.SignedLine(t, canonical, stranger), '\n')
	w.SetLines(last, [][]byte{append(h.AppendTo(nil), '\n'), forged})
	w.Signer = stranger
	w.Extend(t)
	delete(w.Files, "checkpoint")
	r := check(t, w.Files, verify.Options{})
	if found := kinds(bad(r)); !slices.Contains(found, verify.UnknownKey) || !r.SelfAttested {
		t.Errorf("found %q", found)
	}
}

func TestARepeatedCheckpointIsNamed(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1, 1)
	n := w.LineOf(t, 0, `{"checkpoint"`)
	w.SetLines(0, slices.Insert(w.Lines(0), n, w.Lines(0)[n-1]))
	r := checkCopy(t, w)
	if found := bad(r); len(found) != 1 || found[0].Kind != verify.LineInserted || found[0].Line != n+1 || r.FailedEvents != 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// A damaged header costs the tie to the tree, not the events that have signatures
// of their own, nor the segments around it.
func TestADamagedHeader(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 3000}, 1, 1, 1, 1, 1, 1, 1)
	want := checkCopy(t, w)
	for what, change := range map[string]func(line []byte) []byte{
		"a member":       func(l []byte) []byte { return bytes.Replace(l, []byte(`"scope"`), []byte(`"Scope"`), 1) },
		"its first byte": func(l []byte) []byte { return append([]byte("x"), l[1:]...) },
		"its key": func(l []byte) []byte {
			return bytes.Replace(l, []byte(`"public_key":"M`), []byte(`"public_key":"N`), 1)
		},
	} {
		c := w.Clone()
		l := c.Lines(1)
		l[0] = change(l[0])
		c.SetLines(1, l)
		r := checkCopy(t, c)
		if found := bad(r); len(found) != 1 || found[0].Kind != verify.HeaderInvalid || found[0].Segment != c.Segments[1] || found[0].Line != 1 {
			t.Errorf("%s: %+v", what, found)
		}
		if r.TotalEvents != want.TotalEvents || r.VerifiedEvents != want.VerifiedEvents {
			t.Errorf("%s: %d of %d events verified, want all", what, r.VerifiedEvents, r.TotalEvents)
		}
	}
}

// A line whose beginning is destroyed was still an event.
func TestAnUnrecognisableEventCountsAsFailed(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1, 1, 1)
	want := checkCopy(t, w)
	n := w.LineOf(t, 0, "id-001")
	l := w.Lines(0)
	l[n-1] = append([]byte(`{"Event":`), l[n-1][9:]...)
	w.SetLines(0, l)
	r := checkCopy(t, w)
	if r.TotalEvents != want.TotalEvents || r.FailedEvents != 1 || bad(r)[0].Kind != verify.EventMalformed || bad(r)[0].Line != n {
		t.Errorf("total %d, failed %d, %+v", r.TotalEvents, r.FailedEvents, r.Findings)
	}
}

// A kept checkpoint over lines that were changed is held against what the log itself has
// signed there; without that it is not known what it says of the log.
func TestAKeptCheckpointAmongChangedLines(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 2, 2)
	notes := logtest.CheckpointNotes(t, w)
	n := w.LineOf(t, 0, "id-000")
	l := w.Lines(0)
	l[n-1] = bytes.Replace(l[n-1], []byte("user-000"), []byte("user-999"), 1)
	w.SetLines(0, l)
	delete(w.Files, "checkpoint")
	o := verify.Options{Keys: logtest.PublicKeys(w.Signer), Checkpoints: []verify.Kept{{Note: notes[1]}}}
	r := check(t, w.Files, o)
	if found := kinds(r.Findings); slices.Contains(found, verify.Rollback) || slices.Contains(found, verify.CheckpointUnchecked) || !r.TamperingDetected {
		t.Errorf("its own checkpoint is there: %q", found)
	}
	other := w.Clone()
	parsed, err := signing.ParseCheckpoint(notes[1])
	if err != nil {
		t.Fatal(err)
	}
	if o.Checkpoints[0].Note, err = signing.SignCheckpoint(parsed.Origin, parsed.Size, [32]byte{1}, w.Signer); err != nil {
		t.Fatal(err)
	}
	if found := kinds(check(t, other.Files, o).Findings); !slices.Contains(found, verify.Rollback) {
		t.Errorf("another history was signed: %q", found)
	}
	o.Checkpoints[0].Note = notes[1]
	for i, line := range w.Lines(0) {
		if note, err := segment.ParseCheckpoint(bytes.TrimSuffix(line, []byte("\n"))); err == nil && bytes.Equal(note, notes[1]) {
			w.SetLines(0, slices.Delete(w.Lines(0), i, i+1))
		}
	}
	r = check(t, w.Files, o)
	if found := ofKind(r, verify.CheckpointUnchecked); slices.Contains(kinds(r.Findings), verify.Rollback) || len(found) != 1 || found[0].Severity != verify.Unchecked {
		t.Errorf("nothing says what it was: %q", kinds(r.Findings))
	}
}

// What a power cut leaves behind the last checkpoint is no tampering; the same bytes
// elsewhere are.
func TestHolesOfAPowerCut(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1, 1)
	want := checkCopy(t, w)
	hole := strings.Repeat("\x00", 40)
	for what, tail := range map[string]string{
		"zeros":                   hole,
		"zeros, then whole lines": hole + "\n" + string(w.Lines(0)[w.LineOf(t, 0, "id-000")-1]),
		"a commit, then zeros":    string(w.Lines(0)[w.LineOf(t, 0, `{"commit"`)-1]) + hole,
		"a commit, then a hole":   string(w.Lines(0)[w.LineOf(t, 0, `{"commit"`)-1]) + `{"checkp` + hole + "\n",
		"a hole in a commit":      `{"commit":{` + hole + "\n",
		"an event with a hole":    `{"event":{"category":"` + hole + `"}` + "\n",
		"zeros in a checkpoint":   `{"checkpoint":"` + hole + `"}` + "\n",
	} {
		c := w.Clone()
		c.Files[c.Segments[0]].Data = append(c.Files[c.Segments[0]].Data, tail...)
		r := checkCopy(t, c)
		if r.TamperingDetected || !slices.Equal(kinds(r.Findings), []verify.Kind{verify.Kind("torn_tail")}) {
			t.Errorf("%s: %+v", what, r.Findings)
		}
		if r.TotalEvents != want.TotalEvents || r.FailedEvents != 0 || r.OwnEvents != want.OwnEvents || len(r.FailedEventIDs) != 0 {
			t.Errorf("%s: total %d, own %d, failed %d", what, r.TotalEvents, r.OwnEvents, r.FailedEvents)
		}
	}
	c := w.Clone()
	l := c.Lines(0)
	at := c.LineOf(t, 0, "id-000") - 1
	l[at] = append(bytes.Repeat([]byte{0}, 40), l[at][40:]...)
	c.SetLines(0, l)
	if found := bad(checkCopy(t, c)); len(found) == 0 || found[0].Line != at+1 {
		t.Errorf("a hole under a checkpoint: %+v", found)
	}
}

// Who puts a segment of another log next to a log's own keeps nobody from finding what was
// changed, whoever has signed it.
func TestASegmentOfAnotherOrigin(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1)
	o := verify.Options{Keys: trusting(w), Origin: "test.example/auditlog"}
	for who, signer := range map[string]*signing.Signer{"a stranger": signingtest.New(t, signing.Ed25519), "the log's key": w.Signer} {
		other := logtest.Write(t, rotation.Options{Origin: "other.example/auditlog", Signer: signer}, 1)
		c := w.Clone()
		c.Files["audit-00000000000000000000-20000101T000000Z.jsonl"] = other.Files[other.Segments[0]]
		r, err := verify.Log(t.Context(), c.Files, o)
		require.NoError(t, err, who)
		assert.True(t, r.TamperingDetected, who)
		_, err = verify.Log(t.Context(), other.Files, verify.Options{Keys: trusting(other), Origin: o.Origin})
		assert.ErrorIs(t, err, verify.ErrWrongOrigin, who)
	}
}

// flipping is a directory of which a file is another one each time that it is read.
type flipping struct {
	fs.FS
	name  string
	forms [2][]byte
	reads int
}

func (f *flipping) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if name == f.name && err == nil {
		return &flippingFile{File: file, of: f}, nil
	}
	return file, err
}

type flippingFile struct {
	fs.File
	of      *flipping
	content io.Reader
}

func (f *flippingFile) Read(p []byte) (int, error) {
	if f.content == nil {
		f.content = bytes.NewReader(f.of.forms[f.of.reads%2])
		f.of.reads++
	}
	return f.content.Read(p)
}

// A log that is never twice the same is not checked, and that is said.
func TestASegmentThatIsReplacedAgainAndAgain(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1)
	name := w.Segments[1]
	other := bytes.Replace(w.Files[name].Data, []byte(`"min_age":0`), []byte(`"min_age":1`), 1)
	require.NotEqual(t, w.Files[name].Data, other)
	r, err := verify.Log(t.Context(), &flipping{FS: w.Files, name: name, forms: [2][]byte{other, w.Files[name].Data}}, verify.Options{Keys: trusting(w)})
	require.ErrorIs(t, err, verify.ErrChanging)
	assert.Nil(t, r)
}
