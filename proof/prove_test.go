// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

func proveID(t testing.TB, w *logtest.Copy, id string) *proof.Inclusion {
	t.Helper()
	p, err := proof.Prove(t.Context(), w.Files, proof.Query{EventID: id})
	require.NoError(t, err, "prove %s", id)
	return p
}

// proveLeaf proves the event at a leaf.
func proveLeaf(t testing.TB, w *logtest.Copy, index uint64) *proof.Inclusion {
	t.Helper()
	p, err := proof.Prove(t.Context(), w.Files, proof.Query{Index: index, ByIndex: true})
	require.NoError(t, err, "prove leaf %d", index)
	return p
}

// Every event of a log can be proven by its id and by its index, and the proof shows
// that event and no other.
func TestProveEveryEvent(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			w := logtest.Write(t, rotation.Options{Scope: scope, MaxSegmentBytes: 3000}, 1, 5, 2, 3, 1, 1, 4)
			for n := range 17 {
				id := fmt.Sprintf("id-%03d", n)
				p := proveID(t, w, id)
				byIndex, err := proof.Prove(t.Context(), w.Files, proof.Query{Index: p.Index, ByIndex: true})
				if err != nil || !bytes.Equal(byIndex.Marshal(), p.Marshal()) {
					t.Errorf("%s by its index: %v", id, err)
				}
				got, err := proof.Check(p.Marshal(), proof.Options{Keys: logtest.PublicKeys(w.Signer)})
				require.NoError(t, err, id)
				if !bytes.Contains(got.Event, []byte(`"event_id":"`+id+`"`)) || got.Index != p.Index || got.Origin != "test.example/auditlog" {
					t.Errorf("%s: proven %+v", id, got)
				}
				assert.Equal(t, scope == segline.ScopeEvent, got.EventSignedBy == w.Signer.Public().ID(), "%s: signed by %q", id, got.EventSignedBy)
				assert.Equal(t, []string{w.Signer.Public().ID()}, got.SignedBy, "%s: checkpoint signed by", id)
			}
		})
	}
}

// Of compressed segments, the proofs are the same.
func TestProveCompressed(t *testing.T) {
	for _, c := range []compression.Method{compression.Zstd, compression.Gzip} {
		w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 3000}, 1, 5, 2, 3, 1, 1, 4)
		want := [][]byte{proveID(t, w, "id-000").Marshal(), proveLeaf(t, w, 9).Marshal(), proveID(t, w, "id-016").Marshal()}
		for _, name := range w.Segments {
			w.Compress(t, name, c)
		}
		for i, got := range [][]byte{proveID(t, w, "id-000").Marshal(), proveLeaf(t, w, 9).Marshal(), proveID(t, w, "id-016").Marshal()} {
			assert.Equal(t, want[i], got, "%s: proof %d is another", c, i)
		}
	}
}

// No byte of a proof can be changed, left out, repeated or put between.
func TestProofMutated(t *testing.T) {
	t.Parallel()
	keys := logtest.ThreeKeys(t)
	w := logtest.WriteKeys(t, rotation.Options{}, keys...)
	text := proveLeaf(t, w, 3).Marshal()
	o := proof.Options{Keys: logtest.PublicKeys(keys[0])}
	_, err := proof.Check(text, o)
	require.NoError(t, err)
	refused := func(i int, how string, changed []byte) {
		t.Helper()
		// Every key that has signed here is known, so that every signature line counts.
		if _, err := proof.Check(changed, o); err == nil && !bytes.Equal(changed, text) {
			t.Fatalf("byte %d, %q, %s, and the proof holds", i, text[i], how)
		}
	}
	for i := range text {
		for bit := range 8 {
			changed := bytes.Clone(text)
			changed[i] ^= 1 << bit
			refused(i, fmt.Sprintf("bit %d changed", bit), changed)
		}
		refused(i, "left out", slices.Delete(bytes.Clone(text), i, i+1))
		refused(i, "repeated", slices.Insert(bytes.Clone(text), i, text[i]))
		refused(i, "a line feed put before", slices.Insert(bytes.Clone(text), i, '\n'))
		refused(i, "a space put before", slices.Insert(bytes.Clone(text), i, ' '))
	}
	for _, cut := range []int{0, 10, len(text) / 2, len(text) - 1} {
		_, err := proof.Check(text[:cut], o)
		assert.Error(t, err, "cut to %d bytes, and the proof holds", cut)
	}
}

// A proof leads from the first key to the later ones.
func TestProofFollowsKeys(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	w := logtest.WriteKeys(t, rotation.Options{}, keys...)
	for _, index := range []uint64{3, 12, 21} {
		p := proveLeaf(t, w, index)
		require.Len(t, p.KeyChanges, 2, "key changes")
		for _, k := range keys {
			if _, err := proof.Check(p.Marshal(), proof.Options{Keys: logtest.PublicKeys(k)}); err != nil {
				t.Errorf("leaf %d with the key %s: %v", index, k.Public().ID(), err)
			}
		}
		_, err := proof.Check(p.Marshal(), proof.Options{Keys: logtest.PublicKeys(signingtest.New(t, signing.Ed25519))})
		assert.ErrorIs(t, err, verify.ErrWrongKey, "leaf %d with a stranger's key", index)
		p.KeyChanges = p.KeyChanges[1:]
		_, err = proof.Check(p.Marshal(), proof.Options{Keys: logtest.PublicKeys(keys[0])})
		assert.ErrorIs(t, err, verify.ErrWrongKey, "leaf %d without the first key change", index)
	}
}

// Whoever has a later key cannot prove an event with a signature of its own under an
// earlier one.
func TestProofByALaterKey(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	w := logtest.WriteKeys(t, rotation.Options{}, keys...)
	p := proveLeaf(t, w, 5)
	parsed, err := segment.ParseEvent(nil, p.Line)
	require.NoError(t, err)
	thief := keys[2]
	canonical := bytes.Replace(parsed.Canonical, []byte("user-001"), []byte("user-999"), 1)
	h := w.Header(t, 0)
	signature, err := thief.SignEvent(h.Origin, h.Log, canonical)
	require.NoError(t, err)
	for _, keyID := range []string{thief.Public().ID(), parsed.KeyID} {
		line := segline.AppendSignature(append(segline.AppendEventStart(nil), canonical...), signature, keyID)
		// A tree of one's own making, in which the line is in the right place.
		forged := forge(t, p, line, thief)
		_, err := proof.Check(forged.Marshal(), proof.Options{Keys: logtest.PublicKeys(keys[0])})
		assert.ErrorIs(t, err, proof.ErrFails, "a forged proof, the event under the key %s", keyID)
	}
}

// A witness that has cosigned with two keys of its own counts once.
func TestProofCosignedWithTwoKeysOfAWitness(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1)
	before, after, other := witnesstest.New(t, "witness.example/w1"), witnesstest.New(t, "witness.example/w1"), witnesstest.New(t, "witness.example/w2")
	cosigned := bytes.Clone(w.Files[sidefile.CheckpointName].Data)
	cosigned = append(cosigned, before.Cosign(t, cosigned)+after.Cosign(t, cosigned)...)
	w.Files[sidefile.CheckpointName].Data = cosigned
	text := proveID(t, w, "id-000").Marshal()
	o := proof.Options{Keys: logtest.PublicKeys(w.Signer), Witnesses: logtest.WitnessKeys(before, other, after), Quorum: 2}
	got, err := proof.Check(text, o)
	assert.ErrorIs(t, err, proof.ErrUnsigned, "one witness is a quorum of two: %+v", got)
	for _, o.Witnesses = range [][]*witness.Key{logtest.WitnessKeys(before), logtest.WitnessKeys(before, after)} {
		o.Quorum = 0
		if got, err := proof.Check(text, o); err != nil || !slices.Equal(got.Cosigned, []string{"witness.example/w1"}) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// Witnesses' cosignatures count, if there are enough of those asked for.
func TestProofCosigned(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 3000}, 1, 5, 2, 3, 1, 1, 4)
	var witnesses []*witness.Key
	var all []*witnesstest.Witness
	for i := range 3 {
		one := witnesstest.New(t, fmt.Sprintf("witness%d.example", i))
		witnesses, all = append(witnesses, one.Key), append(all, one)
	}
	cosigned := bytes.Clone(w.Files[sidefile.CheckpointName].Data)
	cosigned = append(cosigned, all[0].Cosign(t, cosigned)+all[1].Cosign(t, cosigned)...)
	w.Files[sidefile.CheckpointName].Data = cosigned
	text := proveID(t, w, "id-003").Marshal()
	require.True(t, bytes.HasSuffix(text, cosigned), "the proof does not end in the cosigned checkpoint")
	for _, c := range []struct {
		witnesses []*witness.Key
		quorum    int
		want      []string
	}{
		{witnesses[:2], 0, []string{"witness0.example", "witness1.example"}},
		{witnesses, 2, []string{"witness0.example", "witness1.example"}},
		{witnesses, 1, []string{"witness0.example", "witness1.example"}},
		{witnesses, 0, nil},
		{witnesses, 3, nil},
		{witnesses[2:], 1, nil},
	} {
		got, err := proof.Check(text, proof.Options{Keys: logtest.PublicKeys(w.Signer), Witnesses: c.witnesses, Quorum: c.quorum})
		if c.want == nil {
			assert.ErrorIs(t, err, proof.ErrUnsigned, "%d witnesses, quorum %d", len(c.witnesses), c.quorum)
			continue
		}
		if err != nil || !slices.Equal(got.Cosigned, c.want) {
			t.Errorf("%d witnesses, quorum %d: %+v, %v", len(c.witnesses), c.quorum, got, err)
		}
	}
	for _, quorum := range []int{-1, 4} {
		_, err := proof.Check(text, proof.Options{Keys: logtest.PublicKeys(w.Signer), Witnesses: witnesses, Quorum: quorum})
		assert.Error(t, err, "quorum %d", quorum)
		assert.NotErrorIs(t, err, proof.ErrFails, "quorum %d", quorum)
	}
	_, err := proof.Check(text, proof.Options{})
	assert.Error(t, err, "without a key")
	assert.NotErrorIs(t, err, proof.ErrFails, "without a key")
}

func TestProveWhatIsNotThere(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 3000}, 1, 5, 2, 3, 1, 1, 4)
	is := func(what string, q proof.Query, want ...error) {
		t.Helper()
		_, err := proof.Prove(context.Background(), w.Files, q)
		for _, one := range want {
			assert.ErrorIs(t, err, one, what)
		}
	}
	is("no such id", proof.Query{EventID: "id-99"}, proof.ErrNoEvent)
	is("no such leaf", proof.Query{Index: 1 << 60, ByIndex: true}, proof.ErrNoEvent)
	is("a header", proof.Query{ByIndex: true}, proof.ErrNoEvent)
	is("the end of a commit", proof.Query{Index: 2, ByIndex: true}, proof.ErrNoEvent)

	// What a crash left behind the last checkpoint was never acknowledged.
	whole := w
	w = whole.Clone()
	last := w.Lines(len(w.Segments) - 1)
	tail := bytes.Replace(last[1], []byte("own"), []byte("new"), 1)
	w.SetLines(len(w.Segments)-1, append(last, tail))
	size := whole.Size(t)
	is("a torn tail", proof.Query{Index: size, ByIndex: true}, proof.ErrNoEvent)
	is("an id with a torn tail", proof.Query{EventID: "id-99"}, proof.ErrNoEvent)
	// A checkpoint that does not fit is no such tail.
	w.SetLines(len(w.Segments)-1, append(last, tail, last[len(last)-1]))
	is("behind a checkpoint that does not fit", proof.Query{Index: size, ByIndex: true}, logdir.ErrDamaged)
	is("an id behind such a checkpoint", proof.Query{EventID: "id-99"}, logdir.ErrDamaged)
	w = whole

	// Somebody has deleted the oldest, or retention has, as the log says.
	base, err := segment.ParseName(w.Segments[1])
	require.NoError(t, err)
	delete(w.Files, w.Segments[0])
	w.Segments = w.Segments[1:]
	is("a deleted leaf", proof.Query{Index: 1, ByIndex: true}, proof.ErrMissing)
	is("a deleted id", proof.Query{EventID: "id-000"}, proof.ErrMissing, proof.ErrNoEvent)
	w.Extend(t, logtest.BareLine(logtest.OwnEvent("pruned", fmt.Sprintf(`{"action":"pruned","before":%d}`, base.FirstIndex-1))))
	is("a leaf beyond what was pruned", proof.Query{Index: 1, ByIndex: true}, proof.ErrMissing)
	w.Extend(t, logtest.BareLine(logtest.OwnEvent("pruned", fmt.Sprintf(`{"action":"pruned","before":%d}`, base.FirstIndex))))
	is("a pruned leaf", proof.Query{Index: 1, ByIndex: true}, proof.ErrPruned)
	is("a pruned id", proof.Query{EventID: "id-000"}, proof.ErrPruned, proof.ErrNoEvent)
	_, err = proof.Check(proveID(t, w, "id-010").Marshal(), proof.Options{Keys: logtest.PublicKeys(w.Signer)})
	assert.NoError(t, err, "of what is left")

	// Somebody has changed what is left.
	f := w.Files[w.Segments[0]]
	f.Data = bytes.Replace(f.Data, []byte("user-"), []byte("USER-"), 1)
	n, err := segment.ParseName(w.Segments[0])
	require.NoError(t, err)
	is("a changed segment", proof.Query{Index: n.FirstIndex + 2, ByIndex: true}, logdir.ErrDamaged)
	f.Data = f.Data[:len(f.Data)/3]
	is("a cut segment", proof.Query{Index: n.FirstIndex + 40, ByIndex: true})
	for _, name := range w.Segments[:len(w.Segments)-1] {
		delete(w.Files, name)
	}
	newest := w.Files[w.Segments[len(w.Segments)-1]]
	newest.Data = newest.Data[bytes.IndexByte(newest.Data, '\n')+1:]
	is("a segment without its header", proof.Query{EventID: "id-010"}, logdir.ErrDamaged)
	w = &logtest.Copy{Files: nil}
	is("no log", proof.Query{EventID: "x"}, logdir.ErrNoLog)
}

func TestProveRepeatedID(t *testing.T) {
	w := logtest.Write(t, rotation.Options{Scope: segline.ScopeCheckpoint}, 3)
	line := w.Lines(0)[w.LineOf(t, 0, "id-001")-1]
	w.Extend(t, line)
	_, err := proof.Prove(t.Context(), w.Files, proof.Query{EventID: "id-001"})
	if !errors.Is(err, proof.ErrRepeated) || !strings.Contains(err.Error(), "[4 7]") {
		t.Errorf("an id of two events: %v", err)
	}
	for _, index := range []uint64{4, 7} {
		_, err := proof.Check(proveLeaf(t, w, index).Marshal(), proof.Options{Keys: logtest.PublicKeys(w.Signer)})
		assert.NoError(t, err)
	}
}

// What changes only the signature lines of strangers changes nothing that is shown.
func TestProofMutatedWhereItMeansNothing(t *testing.T) {
	t.Parallel()
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 3000}, 1, 5, 2)
	text := proveID(t, w, "id-003").Marshal()
	o := proof.Options{Keys: logtest.PublicKeys(w.Signer)}
	want, err := proof.Check(text, o)
	require.NoError(t, err)
	strange := append(bytes.Clone(text), "\u2014 stranger.example AAAAAAAAAAAAAAAA\n"...)
	for i := range strange {
		for bit := range 8 {
			changed := bytes.Clone(strange)
			changed[i] ^= 1 << bit
			got, err := proof.Check(changed, o)
			if err == nil && (i < len(text) || !reflect.DeepEqual(got, want)) {
				t.Fatalf("byte %d, %q, bit %d: %+v, want %+v", i, strange[i], bit, got, want)
			}
		}
	}
	got, err := proof.Check(strange, o)
	assert.NoError(t, err)
	assert.Equal(t, want, got)
}

// Whatever is accepted proves a line of the log, at its place, under a checkpoint of
// the log. The keys and the log are those of the vectors, so that the corpus means
// something.
func FuzzCheckProof(f *testing.F) {
	const vectors = "../testdata/vectors/"
	key, err := keyfile.LoadPublic(vectors + "ecdsa-p256.pub.pem")
	if err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(vectors + "proof.txt")
	if err != nil {
		f.Fatal(err)
	}
	fsys := os.DirFS(vectors + "logs/key-change")
	o := proof.Options{Keys: []*signing.PublicKey{key}}
	want, err := proof.Check(good, o)
	if err != nil {
		f.Fatal(err)
	}
	lines := map[uint64][]byte{}
	for i := range want.TreeSize {
		p, err := proof.Prove(f.Context(), fsys, proof.Query{Index: i, ByIndex: true})
		if errors.Is(err, proof.ErrNoEvent) {
			continue // a header
		}
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Marshal())
		lines[i] = p.Line
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := proof.Check(text, o)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Line, lines[p.Index]) || p.TreeSize > want.TreeSize {
			t.Errorf("proven: %+v", p)
		}
		if p.TreeSize == want.TreeSize && !bytes.Equal(p.RootHash, want.RootHash) {
			t.Errorf("another root: %x", p.RootHash)
		}
	})
}
