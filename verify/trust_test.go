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
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// own returns the canonical JSON of an event of the log's own.
func own(action, detail string) []byte {
	return event.AppendOwn(nil, event.Own{
		ID: "own-" + action, Time: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Origin: "test.example/auditlog",
		Level: event.LevelInfo, Action: action, Detail: []byte(detail),
	})
}

// bare returns an event line without a signature.
func bare(canonical []byte) []byte {
	return append(segline.AppendNoSignature(append(segline.AppendEventStart(nil), canonical...)), '\n')
}

// Who can write to the directory, but not sign, appends the leave to delete what
// came before: it does not count until a checkpoint covers it.
func TestPruningIsBelievedOnlyUnderACheckpoint(t *testing.T) {
	o := rotation.Options{Scope: segline.ScopeCheckpoint, MaxSegmentBytes: 2000}
	w := write(t, o, slices.Repeat([]int{1}, 10)...)
	last := len(w.names) - 1
	index, err := segment.ParseName(w.names[last])
	if err != nil {
		t.Fatal(err)
	}
	pruned := bare(own("pruned", fmt.Sprintf(`{"action":"pruned","before":%d}`, index.FirstIndex)))
	honest := w.clone()
	for _, name := range w.names[:last] {
		delete(w.fsys, name)
	}
	w.names = w.names[last:]
	w.setLines(0, append(w.lines(0), pruned))
	if r := w.check(t); !slices.Contains(kinds(bad(r)), verify.SegmentMissing) {
		t.Errorf("an unsigned event excused the deletion: %+v", r.Findings)
	}

	// The same event under a checkpoint is the log's own word, if its root is right.
	honest.extend(t, pruned)
	for _, name := range honest.names[:last] {
		delete(honest.fsys, name)
	}
	if found := kinds(bad(honest.check(t))); !slices.Equal(found, []verify.Kind{verify.RootMismatch}) {
		t.Errorf("a pruning without the right root hash: %q", found)
	}
}

func TestAFloodOfWarningsHidesNothing(t *testing.T) {
	w := write(t, rotation.Options{}, 1)
	var unsigned [][]byte
	for i := range 50 {
		canonical := bytes.Replace(own("opened", `{"action":"opened"}`), []byte("own-opened"), fmt.Appendf(nil, "id-%d", i), 1)
		unsigned = append(unsigned, append(segline.AppendNullSignature(append(segline.AppendEventStart(nil), canonical...)), '\n'))
	}
	w.extend(t, unsigned...)
	o := verify.Options{Keys: []*signing.PublicKey{w.signer.Public()}, MaxFindings: 5}
	r := check(t, w.fsys, o)
	if r.TamperingDetected || r.UnsignedEvents != 50 || len(r.Findings) != 5 || r.FindingsOmitted != 45 || r.FindingCounts[verify.Warning] != 50 {
		t.Fatalf("unsigned %d, %d findings, %d omitted, %v: %+v", r.UnsignedEvents, len(r.Findings), r.FindingsOmitted, r.FindingCounts, bad(r))
	}
	w.extend(t, bare(own("opened", `{"action":"opened"}`)))
	if r := check(t, w.fsys, o); !r.TamperingDetected || len(r.Findings) != 5 || !slices.Equal(kinds(bad(r)), []verify.Kind{verify.UnsignedEvent}) {
		t.Errorf("tampering behind 50 warnings: %+v", r.Findings)
	}
}

func TestAKeyGivenTwiceIsOneKey(t *testing.T) {
	w := write(t, rotation.Options{}, 1)
	again, err := signing.ParsePublicKeyDER(w.signer.Public().SPKI())
	if err != nil {
		t.Fatal(err)
	}
	if r := check(t, w.fsys, verify.Options{Keys: []*signing.PublicKey{w.signer.Public(), again}}); len(r.Findings) != 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// Without a key, the log's own first key counts; a stranger cannot continue the log
// with one of his own.
func TestSelfAttestedLogHasOneOwner(t *testing.T) {
	w := write(t, rotation.Options{MaxSegmentBytes: 1}, 1, 1)
	last := len(w.names) - 1
	lines := w.lines(last)
	h, err := segment.ParseHeader(bytes.TrimSuffix(lines[0], []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	stranger := signingtest.New(t, signing.Ed25519)
	h.Keys = []segline.Key{segline.KeyOf(stranger.Public())}
	canonical := own("opened", `{"action":"opened"}`)
	forged := append(w.signed(t, canonical, stranger), '\n')
	w.setLines(last, [][]byte{append(h.AppendTo(nil), '\n'), forged})
	w.signer = stranger
	w.extend(t)
	delete(w.fsys, "checkpoint")
	r := check(t, w.fsys, verify.Options{})
	if found := kinds(bad(r)); !slices.Contains(found, verify.UnknownKey) || !r.SelfAttested {
		t.Errorf("found %q", found)
	}
}

func TestARepeatedCheckpointIsNamed(t *testing.T) {
	w := write(t, rotation.Options{}, 1, 1)
	n := w.line(t, 0, `{"checkpoint"`)
	w.setLines(0, slices.Insert(w.lines(0), n, w.lines(0)[n-1]))
	r := w.check(t)
	if found := bad(r); len(found) != 1 || found[0].Kind != verify.LineInserted || found[0].Line != n+1 || r.FailedEvents != 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// A damaged header costs the tie to the tree, not the events that have signatures
// of their own, nor the segments around it.
func TestADamagedHeader(t *testing.T) {
	w := write(t, rotation.Options{MaxSegmentBytes: 3000}, 1, 1, 1, 1, 1, 1, 1)
	want := w.check(t)
	for what, change := range map[string]func(line []byte) []byte{
		"a member":       func(l []byte) []byte { return bytes.Replace(l, []byte(`"scope"`), []byte(`"Scope"`), 1) },
		"its first byte": func(l []byte) []byte { return append([]byte("x"), l[1:]...) },
		"its key": func(l []byte) []byte {
			return bytes.Replace(l, []byte(`"public_key":"M`), []byte(`"public_key":"N`), 1)
		},
	} {
		c := w.clone()
		l := c.lines(1)
		l[0] = change(l[0])
		c.setLines(1, l)
		r := c.check(t)
		if found := bad(r); len(found) != 1 || found[0].Kind != verify.HeaderInvalid || found[0].Segment != c.names[1] || found[0].Line != 1 {
			t.Errorf("%s: %+v", what, found)
		}
		if r.TotalEvents != want.TotalEvents || r.VerifiedEvents != want.VerifiedEvents {
			t.Errorf("%s: %d of %d events verified, want all", what, r.VerifiedEvents, r.TotalEvents)
		}
	}
}

// A line whose beginning is destroyed was still an event.
func TestAnUnrecognisableEventCountsAsFailed(t *testing.T) {
	w := write(t, rotation.Options{}, 1, 1, 1)
	want := w.check(t)
	n := w.line(t, 0, "id-001")
	l := w.lines(0)
	l[n-1] = append([]byte(`{"Event":`), l[n-1][9:]...)
	w.setLines(0, l)
	r := w.check(t)
	if r.TotalEvents != want.TotalEvents || r.FailedEvents != 1 || bad(r)[0].Kind != verify.EventMalformed || bad(r)[0].Line != n {
		t.Errorf("total %d, failed %d, %+v", r.TotalEvents, r.FailedEvents, r.Findings)
	}
}

// A kept checkpoint over lines that were changed is held against what the log itself has
// signed there; without that it is not known what it says of the log.
func TestAKeptCheckpointAmongChangedLines(t *testing.T) {
	w := write(t, rotation.Options{}, 2, 2)
	notes := w.notes(t)
	n := w.line(t, 0, "id-000")
	l := w.lines(0)
	l[n-1] = bytes.Replace(l[n-1], []byte("user-000"), []byte("user-999"), 1)
	w.setLines(0, l)
	delete(w.fsys, "checkpoint")
	o := verify.Options{Keys: public(w.signer), Checkpoints: []verify.Kept{{Note: notes[1]}}}
	r := check(t, w.fsys, o)
	if found := kinds(r.Findings); slices.Contains(found, verify.Rollback) || slices.Contains(found, verify.CheckpointUnchecked) || !r.TamperingDetected {
		t.Errorf("its own checkpoint is there: %q", found)
	}
	other := w.clone()
	parsed, err := signing.ParseCheckpoint(notes[1])
	if err != nil {
		t.Fatal(err)
	}
	if o.Checkpoints[0].Note, err = signing.SignCheckpoint(parsed.Origin, parsed.Size, [32]byte{1}, w.signer); err != nil {
		t.Fatal(err)
	}
	if found := kinds(check(t, other.fsys, o).Findings); !slices.Contains(found, verify.Rollback) {
		t.Errorf("another history was signed: %q", found)
	}
	o.Checkpoints[0].Note = notes[1]
	for i, line := range w.lines(0) {
		if note, err := segment.ParseCheckpoint(bytes.TrimSuffix(line, []byte("\n"))); err == nil && bytes.Equal(note, notes[1]) {
			w.setLines(0, slices.Delete(w.lines(0), i, i+1))
		}
	}
	r = check(t, w.fsys, o)
	if found := ofKind(r, verify.CheckpointUnchecked); slices.Contains(kinds(r.Findings), verify.Rollback) || len(found) != 1 || found[0].Severity != verify.Unchecked {
		t.Errorf("nothing says what it was: %q", kinds(r.Findings))
	}
}

// notes returns the log's checkpoints.
func (w *written) notes(t testing.TB) (notes [][]byte) {
	t.Helper()
	for i := range w.names {
		for _, line := range w.lines(i) {
			if segment.KindOf(line) == segline.KindCheckpoint {
				note, err := segment.ParseCheckpoint(bytes.TrimSuffix(line, []byte("\n")))
				if err != nil {
					t.Fatal(err)
				}
				notes = append(notes, note)
			}
		}
	}
	return notes
}

// What a power cut leaves behind the last checkpoint is no tampering; the same bytes
// elsewhere are.
func TestHolesOfAPowerCut(t *testing.T) {
	w := write(t, rotation.Options{}, 1, 1)
	want := w.check(t)
	hole := strings.Repeat("\x00", 40)
	for what, tail := range map[string]string{
		"zeros":                   hole,
		"zeros, then whole lines": hole + "\n" + string(w.lines(0)[w.line(t, 0, "id-000")-1]),
		"a commit, then zeros":    string(w.lines(0)[w.line(t, 0, `{"commit"`)-1]) + hole,
		"a commit, then a hole":   string(w.lines(0)[w.line(t, 0, `{"commit"`)-1]) + `{"checkp` + hole + "\n",
		"a hole in a commit":      `{"commit":{` + hole + "\n",
		"an event with a hole":    `{"event":{"category":"` + hole + `"}` + "\n",
		"zeros in a checkpoint":   `{"checkpoint":"` + hole + `"}` + "\n",
	} {
		c := w.clone()
		c.fsys[c.names[0]].Data = append(c.fsys[c.names[0]].Data, tail...)
		r := c.check(t)
		if r.TamperingDetected || !slices.Equal(kinds(r.Findings), []verify.Kind{verify.Kind("torn_tail")}) {
			t.Errorf("%s: %+v", what, r.Findings)
		}
		if r.TotalEvents != want.TotalEvents || r.FailedEvents != 0 || r.OwnEvents != want.OwnEvents || len(r.FailedEventIDs) != 0 {
			t.Errorf("%s: total %d, own %d, failed %d", what, r.TotalEvents, r.OwnEvents, r.FailedEvents)
		}
	}
	c := w.clone()
	l := c.lines(0)
	at := c.line(t, 0, "id-000") - 1
	l[at] = append(bytes.Repeat([]byte{0}, 40), l[at][40:]...)
	c.setLines(0, l)
	if found := bad(c.check(t)); len(found) == 0 || found[0].Line != at+1 {
		t.Errorf("a hole under a checkpoint: %+v", found)
	}
}

// Who puts a segment of another log next to a log's own keeps nobody from finding what was
// changed, whoever has signed it.
func TestASegmentOfAnotherOrigin(t *testing.T) {
	w := write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1)
	o := verify.Options{Keys: trusting(w), Origin: "test.example/auditlog"}
	for who, signer := range map[string]*signing.Signer{"a stranger": signingtest.New(t, signing.Ed25519), "the log's key": w.signer} {
		other := write(t, rotation.Options{Origin: "other.example/auditlog", Signer: signer}, 1)
		c := w.clone()
		c.fsys["audit-00000000000000000000-20000101T000000Z.jsonl"] = other.fsys[other.names[0]]
		r, err := verify.Log(t.Context(), c.fsys, o)
		require.NoError(t, err, who)
		assert.True(t, r.TamperingDetected, who)
		_, err = verify.Log(t.Context(), other.fsys, verify.Options{Keys: trusting(other), Origin: o.Origin})
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
	w := write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1)
	name := w.names[1]
	other := bytes.Replace(w.fsys[name].Data, []byte(`"min_age":0`), []byte(`"min_age":1`), 1)
	require.NotEqual(t, w.fsys[name].Data, other)
	r, err := verify.Log(t.Context(), &flipping{FS: w.fsys, name: name, forms: [2][]byte{other, w.fsys[name].Data}}, verify.Options{Keys: trusting(w)})
	require.ErrorIs(t, err, verify.ErrChanging)
	assert.Nil(t, r)
}
