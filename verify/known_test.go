// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/consistency"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// proveLeaf proves the event at a leaf.
func proveLeaf(t testing.TB, w *logtest.Copy, index uint64) *proof.Inclusion {
	t.Helper()
	p, err := proof.Prove(t.Context(), w.Files, proof.Query{Index: index, ByIndex: true})
	require.NoError(t, err, "leaf %d", index)
	return p
}

func bySize(n uint64) *uint64 { return &n }

// Whoever has a key that was revoked, or left, can sign any log that is short enough. What is
// known of it, and of the key that followed, says how long the log must be.
func TestALogThatIsTooShort(t *testing.T) {
	keys := logtest.ThreeKeys(t)[:2]
	w := logtest.WriteKeys(t, rotation.Options{}, keys...)
	second, size := logtest.FirstIndex(t, w, 1), checkCopy(t, w).TreeSize
	forged := logtest.Write(t, rotation.Options{Signer: keys[0]}, 1)
	require.Less(t, checkCopy(t, forged).TreeSize, second)
	older := w.Cut(1)
	first := trust.Key{Public: keys[0].Public()}
	next := trust.Key{Public: keys[1].Public(), From: logtest.AtLeaf(second)}
	until, revoked := first, first
	until.Until, revoked.Revoked = logtest.AtLeaf(second), logtest.AtLeaf(second)
	for name, known := range map[string]trust.Keys{
		"the first is left, the next known": {until, next},
		"the first is left":                 {until},
		"the first is revoked, next known":  {revoked, next},
		"the next is known":                 {first, next},
		"the next is known for checkpoints": {first, {Public: keys[1].Public(), Use: trust.UseCheckpoints, From: logtest.AtLeaf(second)}},
	} {
		o := verify.Options{Trust: known}
		r := check(t, forged.Files, o)
		assert.Contains(t, kinds(bad(r)), verify.Rollback, name)
		assert.Equal(t, verify.VerdictTampering, r.Verdict, name)
		if len(known) == 2 && known[1].Use == 0 {
			assert.Equal(t, verify.VerdictOK, check(t, w.Files, o).Verdict, "%s: the log itself: %+v", name, check(t, w.Files, o).Findings)
		}
		// A copy from before is no longer than it was, if that is what the caller says.
		o.AsOf = bySize(second)
		r = check(t, older.Files, o)
		if known[0].Until != nil && len(known) == 1 {
			assert.Equal(t, verify.VerdictOK, r.Verdict, "%s: it is as long as that says", name)
			continue
		}
		found := ofKind(r, verify.Kind("as_of"))
		assert.Equal(t, verify.VerdictOK, r.Verdict, "%s: %+v", name, r.Findings)
		if known[0].Revoked == nil || len(known) == 2 {
			require.Len(t, found, 1, name)
			assert.Equal(t, verify.Info, found[0].Severity, name)
			assert.Equal(t, second, r.AsOf, name)
		}
		// The forged one is shorter than that; but that is what the caller says.
		r = check(t, forged.Files, o)
		assert.Contains(t, kinds(amiss(r)), verify.Rollback, name)
		assert.Equal(t, verify.VerdictUnchecked, r.Verdict, name)
	}
	o := verify.Options{Trust: trust.Keys{first, next}, AsOf: bySize(size + 1)}
	r := check(t, w.Files, o)
	assert.Equal(t, []verify.Kind{verify.Rollback}, kinds(amiss(r)), "as of a size that it does not have")
	assert.Equal(t, verify.VerdictUnchecked, r.Verdict)
	o.AsOf = bySize(size)
	r = check(t, w.Files, o)
	assert.Equal(t, verify.VerdictOK, r.Verdict)
	assert.Zero(t, r.AsOf, "it is as long as it has to be")
	o.AsOf = bySize(0)
	_, err := verify.Log(t.Context(), w.Files, o)
	assert.ErrorContains(t, err, "no leaf")
	// What the caller has kept since cannot be held against an older copy.
	o = verify.Options{Trust: trust.Keys{first, next}, AsOf: bySize(second), Checkpoints: keptNotes(logtest.CheckpointNotes(t, w)[len(logtest.CheckpointNotes(t, w))-1:]...)}
	assert.Equal(t, verify.VerdictUnchecked, check(t, older.Files, o).Verdict)
	o.AsOf = nil
	assert.Equal(t, verify.VerdictTampering, check(t, older.Files, o).Verdict)
}

// A log of just the leaves that a revoked key may have signed is vouched for by nobody else:
// whoever has come by the key may have written it.
func TestALogThatARevokedKeyAloneHasSigned(t *testing.T) {
	s, beside := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)
	w := logtest.Write(t, rotation.Options{Signer: s, CheckpointSigner: beside}, 1, 1, 1)
	notes := logtest.CheckpointNotes(t, w)
	size := checkCopy(t, w).TreeSize
	revoked := trust.Keys{{Public: s.Public(), Revoked: logtest.AtLeaf(size)}}
	later := trust.Keys{{Public: s.Public(), Revoked: &trust.Point{Time: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}}}
	listed := slices.Concat(revoked, trust.Keys{{Public: beside.Public(), Use: trust.UseCheckpoints}})
	lost := slices.Concat(revoked, trust.Keys{{Public: beside.Public(), Use: trust.UseCheckpoints, Revoked: logtest.AtLeaf(size)}})
	for name, c := range map[string]struct {
		o    verify.Options
		want string
		from uint64
	}{
		"it alone":                       {verify.Options{Trust: revoked}, verify.VerdictUnchecked, 0},
		"it alone, revoked at a time":    {verify.Options{Trust: later}, verify.VerdictUnchecked, 0},
		"with a checkpoint of the whole": {verify.Options{Trust: revoked, Checkpoints: keptNotes(notes[len(notes)-1:]...)}, verify.VerdictOK, 0},
		"with a checkpoint of a part":    {verify.Options{Trust: revoked, Checkpoints: keptNotes(notes[:1]...)}, verify.VerdictUnchecked, 3},
		"with a key next to it":          {verify.Options{Trust: revoked, CheckpointKeys: logtest.PublicKeys(beside)}, verify.VerdictOK, 0},
		"with one that is listed":        {verify.Options{Trust: listed}, verify.VerdictOK, 0},
		"with one that is revoked, too":  {verify.Options{Trust: lost}, verify.VerdictUnchecked, 0},
		"as of its size":                 {verify.Options{Trust: revoked, AsOf: &size}, verify.VerdictOK, 0},
	} {
		r := check(t, w.Files, c.o)
		assert.Equal(t, c.want, r.Verdict, "%s: %+v", name, r.Findings)
		if found := ofKind(r, verify.RevokedAlone); c.want == verify.VerdictOK {
			assert.Empty(t, found, name)
		} else if assert.Len(t, found, 1, name) {
			assert.Equal(t, c.from, *found[0].Index, name)
		}
	}
}

// Whoever has a revoked key introduces another one where he still could, and goes on with that
// beyond the leaf from which on the first is revoked.
func TestALogThatGoesOnWithTheThiefsKey(t *testing.T) {
	keys, thief := logtest.ThreeKeys(t)[:2], signingtest.New(t, signing.Ed25519)
	honest := logtest.WriteKeys(t, rotation.Options{}, keys...)
	second := logtest.FirstIndex(t, honest, 1)
	dir := filepath.Join(t.TempDir(), "log")
	logtest.Write(t, rotation.Options{Directory: dir, Signer: keys[0]}, 1)
	w := logtest.Write(t, rotation.Options{Directory: dir, Signer: thief, PreviousSigner: keys[0]}, slices.Repeat([]int{2}, 8)...)
	require.Less(t, logtest.FirstIndex(t, w, 1), second)
	require.Equal(t, verify.VerdictOK, check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(keys[0])}).Verdict, "the forged log is in good form")
	for name, known := range map[string]trust.Keys{
		"revoked at a leaf": {{Public: keys[0].Public(), Revoked: logtest.AtLeaf(second)}},
		"revoked at a time": {{Public: keys[0].Public(), Revoked: &trust.Point{Time: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}}},
		"the next listed":   {{Public: keys[0].Public(), Revoked: logtest.AtLeaf(second)}, {Public: keys[1].Public()}},
		"the next known":    {{Public: keys[0].Public()}, {Public: keys[1].Public(), From: logtest.AtLeaf(second)}},
		"left":              {{Public: keys[0].Public(), Until: logtest.AtLeaf(second)}, {Public: keys[1].Public(), From: logtest.AtLeaf(second)}},
	} {
		for _, given := range [][]*signing.PublicKey{nil, logtest.PublicKeys(keys[0])} {
			r := check(t, w.Files, verify.Options{Keys: given, Trust: known})
			assert.Equal(t, verify.VerdictTampering, r.Verdict, "%s: %+v", name, r.Findings)
			for _, index := range []uint64{1, logtest.FirstIndex(t, w, 1) + 5} {
				_, err := proof.Check(proveLeaf(t, w, index).Marshal(), proof.Options{Keys: given, Trust: known})
				assert.Error(t, err, "%s, leaf %d", name, index)
			}
		}
		if len(known) == 2 {
			r := check(t, honest.Files, verify.Options{Trust: known})
			assert.Equal(t, verify.VerdictOK, r.Verdict, "%s: the log itself: %+v", name, r.Findings)
			_, err := proof.Check(proveLeaf(t, honest, second+3).Marshal(), proof.Options{Trust: known})
			assert.NoError(t, err, name)
		}
	}
}

// A key that is known to sign the log from a leaf on has signed that leaf.
func TestAKeyThatIsKnownFromALeafOn(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	w := logtest.WriteKeys(t, rotation.Options{}, keys...)
	second, third := logtest.FirstIndex(t, w, 1), logtest.FirstIndex(t, w, 2)
	for name, c := range map[string]struct {
		key  int
		from uint64
		good bool
	}{
		"the first, from the beginning": {0, 0, true},
		"the first, from a later leaf":  {0, second - 1, false}, // what it signed before is found
		"the second":                    {1, second, true},
		"the second, too early":         {1, second - 1, false},
		"the third, too early":          {2, third - 1, false},
		"the third":                     {2, third, true},
		"the first, too late":           {0, third, false},
	} {
		r := check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(keys[0]), Trust: trust.Keys{{Public: keys[c.key].Public(), From: logtest.AtLeaf(c.from)}}})
		assert.Equal(t, c.good, !slices.Contains(kinds(bad(r)), verify.KeyNotValid), "%s: %+v", name, bad(r))
	}
	// Where retention has deleted the leaf, the key changes tell.
	c := w.Clone()
	delete(c.Files, c.Segments[0])
	delete(c.Files, c.Segments[1])
	for from, good := range map[uint64]bool{second: true, third - 1: true, second - 1: false, 0: false} {
		r := check(t, c.Files, verify.Options{Keys: logtest.PublicKeys(keys[0]), Trust: trust.Keys{{Public: keys[1].Public(), From: logtest.AtLeaf(from)}}})
		assert.Equal(t, good, !slices.Contains(kinds(bad(r)), verify.KeyNotValid), "from leaf %d: %+v", from, bad(r))
	}
}

// The holder of the checkpoint key has no say in whose log it is, however the key is given.
func TestTheCheckpointKeyAloneForgesNothing(t *testing.T) {
	signer, beside, thief := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519), signingtest.New(t, signing.ECDSAP256)
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		honest := logtest.Write(t, rotation.Options{Scope: scope, Signer: signer, CheckpointSigner: beside}, 2)
		forged := logtest.Write(t, rotation.Options{Scope: scope, Signer: thief, CheckpointSigner: beside}, 2)
		alone := logtest.Write(t, rotation.Options{Scope: scope, Signer: beside}, 2)
		listed := trust.Keys{{Public: beside.Public(), Use: trust.UseCheckpoints}}
		for name, o := range map[string]verify.Options{
			"given":                 {Keys: logtest.PublicKeys(signer), CheckpointKeys: logtest.PublicKeys(beside)},
			"listed":                {Keys: logtest.PublicKeys(signer), Trust: listed},
			"given, with a kept":    {Keys: logtest.PublicKeys(signer), CheckpointKeys: logtest.PublicKeys(beside), Checkpoints: []verify.Kept{{Note: forged.Checkpoint(t)}}},
			"for events, by itself": {Keys: logtest.PublicKeys(beside)},
		} {
			if name != "for events, by itself" {
				r := check(t, honest.Files, o)
				if o.Checkpoints == nil {
					assert.Equal(t, verify.VerdictOK, r.Verdict, "%s: %+v", name, r.Findings)
				}
				_, err := verify.Log(t.Context(), alone.Files, o)
				assert.ErrorIs(t, err, verify.ErrWrongKey, "%s: it signs all", name)
			}
			_, err := verify.Log(t.Context(), forged.Files, o)
			assert.ErrorIs(t, err, verify.ErrWrongKey, name)
			if o.Checkpoints == nil && name != "for events, by itself" {
				_, err = proof.Check(proveLeaf(t, forged, 3).Marshal(), proof.Options{Keys: o.Keys, CheckpointKeys: o.CheckpointKeys, Trust: o.Trust})
				assert.ErrorIs(t, err, verify.ErrWrongKey, name)
				got, err := proof.Check(proveLeaf(t, honest, 3).Marshal(), proof.Options{Keys: o.Keys, CheckpointKeys: o.CheckpointKeys, Trust: o.Trust})
				require.NoError(t, err, name)
				assert.Equal(t, []string{signer.Public().ID(), beside.Public().ID()}, got.SignedBy)
			}
		}
		for name, o := range map[string]verify.Options{
			"given": {CheckpointKeys: logtest.PublicKeys(beside)}, "listed": {Trust: listed}, "as an anchor": {Trust: trust.Keys{{Public: beside.Public(), Use: trust.UseAnchor}}},
			"as a delegate": {Trust: trust.Keys{{Public: beside.Public(), Use: trust.UseDelegate}}},
		} {
			_, err := verify.Log(t.Context(), honest.Files, o)
			assert.ErrorIs(t, err, verify.ErrNoEventKey, "%s, and no other key", name)
		}
		for name, o := range map[string]verify.Options{
			"for events, though listed for checkpoints": {Keys: logtest.PublicKeys(beside), Trust: listed},
			"for checkpoints, though an anchor":         {Keys: logtest.PublicKeys(signer), CheckpointKeys: logtest.PublicKeys(beside), Trust: trust.Keys{{Public: beside.Public(), Use: trust.UseAnchor}}},
		} {
			_, err := verify.Log(t.Context(), honest.Files, o)
			assert.ErrorContains(t, err, "listed among the trusted keys for", name)
		}
	}
}

// A checkpoint of the checkpoint key alone is evidence against a log, and none for it.
func TestAKeptCheckpointOfTheCheckpointKey(t *testing.T) {
	signer, beside := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)
	w := logtest.Write(t, rotation.Options{Signer: signer, CheckpointSigner: beside}, 2, 2)
	r := check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(signer)})
	sign := func(size uint64, root [32]byte) [][]byte {
		note, err := signing.SignCheckpoint(r.Origin, size, root, beside)
		require.NoError(t, err)
		return [][]byte{note}
	}
	o := verify.Options{Keys: logtest.PublicKeys(signer), CheckpointKeys: logtest.PublicKeys(beside), Checkpoints: keptNotes(sign(r.TreeSize, [32]byte(r.RootHash))...)}
	assert.Equal(t, verify.VerdictOK, check(t, w.Files, o).Verdict)
	for _, checkpoints := range [][][]byte{sign(r.TreeSize, [32]byte{1}), sign(r.TreeSize+1, [32]byte{1})} {
		o.Checkpoints = keptNotes(checkpoints...)
		assert.Contains(t, kinds(bad(check(t, w.Files, o))), verify.Rollback)
	}
	// In a log of nobody's it helps nobody.
	stranger := logtest.Write(t, rotation.Options{}, 2)
	o.Checkpoints = keptNotes(logtest.CheckpointNotes(t, stranger)...)
	_, err := verify.Log(t.Context(), stranger.Files, o)
	assert.ErrorIs(t, err, verify.ErrWrongKey)
}

// Whoever steals the key of events drops the checkpoint key, which he does not have. It is
// found whether that key is given or not.
func TestACheckpointKeyIsDropped(t *testing.T) {
	signer, beside := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		good := logtest.Write(t, rotation.Options{Scope: scope, Signer: signer, CheckpointSigner: beside}, 2)
		for name, do := range map[string]func(w *logtest.Copy){
			"no note": func(w *logtest.Copy) { w.Begin(t, w.Next(t, scope, signer), nil, signer) },
			"a note that it has not signed": func(w *logtest.Copy) {
				h := w.Next(t, scope, signer)
				w.Begin(t, h, logtest.KeyChange(t, &h, signer, signer), signer)
			},
			"a note to another key, too": func(w *logtest.Copy) {
				thief := signingtest.New(t, signing.Ed25519)
				h := w.Next(t, scope, thief)
				w.Begin(t, h, logtest.KeyChange(t, &h, signer, thief), thief, signer)
			},
			"another in its place": func(w *logtest.Copy) {
				thief := signingtest.New(t, signing.Ed25519)
				h := w.Next(t, scope, signer, thief)
				w.Begin(t, h, logtest.KeyChange(t, &h, signer, signer, thief), signer, thief)
			},
		} {
			w := good.Clone()
			delete(w.Files, sidefile.CheckpointName)
			do(w)
			for what, o := range map[string]verify.Options{
				"not given": {Keys: logtest.PublicKeys(signer)}, "given": {Keys: logtest.PublicKeys(signer), CheckpointKeys: logtest.PublicKeys(beside)},
				"listed": {Trust: trust.Keys{{Public: signer.Public()}, {Public: beside.Public(), Use: trust.UseCheckpoints}}},
			} {
				r := check(t, w.Files, o)
				assert.Equal(t, verify.VerdictTampering, r.Verdict, "%s, %s, %s", scope, name, what)
				if what != "not given" {
					found := ofKind(r, verify.CheckpointKeyMissing)
					require.Len(t, found, 1, "%s, %s, %s: %+v", scope, name, what, r.Findings)
					assert.Equal(t, verify.Tampering, found[0].Severity)
				}
			}
		}
		// A log made anew shows nothing of it: then it is for the caller to know.
		anew := logtest.Write(t, rotation.Options{Scope: scope, Signer: signer}, 2)
		o := verify.Options{Keys: logtest.PublicKeys(signer), CheckpointKeys: logtest.PublicKeys(beside)}
		r := check(t, anew.Files, o)
		assert.Equal(t, verify.VerdictUnchecked, r.Verdict)
		assert.Len(t, ofKind(r, verify.CheckpointKeyMissing), 1)
		_, err := proof.Check(proveLeaf(t, anew, 3).Marshal(), proof.Options{Keys: o.Keys, CheckpointKeys: o.CheckpointKeys})
		assert.ErrorIs(t, err, proof.ErrUnsigned)
		size := r.TreeSize
		for from, want := range map[uint64]string{0: verify.VerdictTampering, size - 1: verify.VerdictTampering} {
			o.Trust = trust.Keys{{Public: beside.Public(), Use: trust.UseCheckpoints, From: logtest.AtLeaf(from)}}
			assert.Equal(t, verify.VerdictUnchecked, check(t, anew.Files, o).Verdict, "known from leaf %d on, maybe of another log", from)
			o.Trust = append(o.Trust, trust.Key{Public: signer.Public()})
			assert.Equal(t, want, check(t, anew.Files, o).Verdict, "known from leaf %d on", from)
			_, err := proof.Check(proveLeaf(t, anew, 3).Marshal(), proof.Options{Keys: o.Keys, Trust: o.Trust})
			assert.ErrorIs(t, err, proof.ErrFails, "known from leaf %d on", from)
		}
		o.Trust = nil
		o.Checkpoints = keptNotes(logtest.CheckpointNotes(t, good)[:1]...)
		assert.Equal(t, verify.VerdictTampering, check(t, anew.Files, o).Verdict, "another history")
		// What it has signed of another log says nothing of this one.
		others, err := signing.SignCheckpoint("other.example/auditlog", 1, [32]byte{1}, signer, beside)
		require.NoError(t, err)
		o.Checkpoints = []verify.Kept{{Note: others}}
		assert.Equal(t, verify.VerdictUnchecked, check(t, anew.Files, o).Verdict)
		// The very log, but for that key, is no better.
		root := check(t, anew.Files, verify.Options{Keys: logtest.PublicKeys(signer)}).RootHash
		kept, err := signing.SignCheckpoint("test.example/auditlog", size, [32]byte(root), signer, beside)
		require.NoError(t, err)
		o.Checkpoints = []verify.Kept{{Note: kept}}
		r = check(t, anew.Files, o)
		require.Len(t, ofKind(r, verify.CheckpointKeyMissing), 1)
		assert.Equal(t, verify.Tampering, ofKind(r, verify.CheckpointKeyMissing)[0].Severity, "it had signed the log by then")
	}
}

// A checkpoint key comes and goes as the log, and it, say.
func TestACheckpointKeyComesAndGoes(t *testing.T) {
	signer, beside := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)
	o := rotation.Options{Directory: filepath.Join(t.TempDir(), "log"), Signer: signer}
	logtest.Write(t, o, 1)
	o.CheckpointSigner = beside
	logtest.Write(t, o, 1)
	o.CheckpointSigner, o.PreviousCheckpointSigner = nil, beside
	w := logtest.Write(t, o, 1)
	require.Len(t, w.Segments, 3)
	begins, left := logtest.FirstIndex(t, w, 1), logtest.FirstIndex(t, w, 2)
	given := verify.Options{Keys: logtest.PublicKeys(signer), CheckpointKeys: logtest.PublicKeys(beside)}
	r := check(t, w.Files, given)
	assert.Equal(t, verify.VerdictOK, r.Verdict, "%+v", r.Findings)
	found := ofKind(r, verify.Kind("checkpoint_key_begins"))
	require.Len(t, found, 1)
	assert.Equal(t, begins, *found[0].Index)
	for name, c := range map[string]struct {
		key  trust.Key
		want string
	}{
		"known from where it begins": {trust.Key{From: logtest.AtLeaf(begins)}, verify.VerdictOK},
		"known from before":          {trust.Key{From: logtest.AtLeaf(begins - 1)}, verify.VerdictTampering},
		"until it left":              {trust.Key{Until: logtest.AtLeaf(left)}, verify.VerdictOK},
		"until before it left":       {trust.Key{Until: logtest.AtLeaf(left - 1)}, verify.VerdictTampering},
	} {
		c.key.Public, c.key.Use = beside.Public(), trust.UseCheckpoints
		r := check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(signer), Trust: trust.Keys{c.key}})
		assert.Equal(t, c.want, r.Verdict, "%s: %+v", name, r.Findings)
	}
	for _, index := range []uint64{1, begins + 3, left + 3} {
		_, err := proof.Check(proveLeaf(t, w, index).Marshal(), proof.Options{Keys: logtest.PublicKeys(signer), CheckpointKeys: logtest.PublicKeys(beside)})
		assert.NoError(t, err, "leaf %d: the proof shows that it has left", index)
	}
	// Where it can sign nothing any more, its bounds let it leave.
	lost := logtest.Write(t, rotation.Options{Signer: signer, CheckpointSigner: beside}, 1)
	delete(lost.Files, sidefile.CheckpointName)
	h := lost.Next(t, segline.ScopeEvent, signer)
	lost.Begin(t, h, logtest.KeyChange(t, &h, signer, signer), signer)
	lost.SetLines(1, slices.Concat(lost.Lines(1)[:1], [][]byte{append(lost.SignedLine(t, keyChangedEvent(t, lost.Lines(1)[1]), signer), '\n')}))
	c := lost.LastCommit(t)
	c.Number, c.Time = c.Number+1, h.Created
	lost.Commit(t, c, nil, signer)
	for until, want := range map[uint64]string{h.FirstIndex: verify.VerdictOK, h.FirstIndex + 1: verify.VerdictTampering} {
		r := check(t, lost.Files, verify.Options{Keys: logtest.PublicKeys(signer), Trust: trust.Keys{{Public: beside.Public(), Use: trust.UseCheckpoints, Until: logtest.AtLeaf(until)}}})
		assert.Equal(t, want, r.Verdict, "until leaf %d: %+v", until, r.Findings)
	}
}

// keyChangedEvent is the canonical JSON of an event on a line.
func keyChangedEvent(t testing.TB, line []byte) []byte {
	t.Helper()
	parsed, err := segment.ParseEvent(nil, bytes.TrimSuffix(line, []byte("\n")))
	require.NoError(t, err)
	return parsed.Canonical
}

// A log of another origin than the one asked for is not checked in its place.
func TestOriginAskedFor(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1)
	o := verify.Options{Keys: logtest.PublicKeys(w.Signer), Origin: "test.example/auditlog"}
	assert.Equal(t, verify.VerdictOK, check(t, w.Files, o).Verdict)
	o.Origin = "test.example/other"
	_, err := verify.Log(t.Context(), w.Files, o)
	require.ErrorIs(t, err, verify.ErrWrongOrigin)
	assert.ErrorContains(t, err, `it is "test.example/auditlog", not "test.example/other"`)
}

// The directory of a partition is called as its origin ends; of one log alone it may be a copy's.
func TestADirectoryThatIsNotCalledAsThePartition(t *testing.T) {
	s := signingtest.New(t, signing.Ed25519)
	acme := logtest.Write(t, rotation.Options{Signer: s, Origin: "fleet/0/acme", Partition: true}, 3)
	plain := logtest.Write(t, rotation.Options{Signer: s, Origin: "fleet/plain"}, 1)
	for dir, want := range map[string]int{"acme": 0, "copy": 1, "": 0} {
		r := check(t, acme.Files, verify.Options{Keys: logtest.PublicKeys(s), Directory: dir})
		assert.Len(t, ofKind(r, verify.WrongDirectory), want, dir)
		assert.Equal(t, verify.VerdictOK, r.Verdict, dir)
	}
	assert.Empty(t, ofKind(check(t, plain.Files, verify.Options{Keys: logtest.PublicKeys(s), Directory: "copy"}), verify.WrongDirectory))
}

// Bounds in time are held against the times of commits. What a client says of the time of an
// event changes nothing.
func TestBoundsInTimeAndTimesOfEvents(t *testing.T) {
	s := signingtest.New(t, signing.ECDSAP256)
	w := logtest.Write(t, rotation.Options{Signer: s}, 1)
	var lines [][]byte
	for i, year := range []string{"1970", "2099"} {
		canonical := bytes.Replace(logtest.OwnEvent("opened", `{"action":"opened"}`), []byte("2026"), []byte(year), 1)
		canonical = bytes.Replace(canonical, []byte("own-opened"), []byte("id-far-"+string(rune('a'+i))), 1)
		lines = append(lines, append(w.SignedLine(t, canonical, s), '\n'))
	}
	delete(w.Files, sidefile.CheckpointName)
	w.Extend(t, lines...)
	committed := w.LastCommit(t).Time
	for name, c := range map[string]struct {
		key  trust.Key
		good bool
	}{
		"valid around the commits": {trust.Key{From: &trust.Point{Time: committed.AddDate(0, 0, -1)}, Until: &trust.Point{Time: committed.AddDate(0, 0, 1)}}, true},
		"valid before":             {trust.Key{Until: &trust.Point{Time: committed.AddDate(0, 0, -1)}}, false},
		"valid later":              {trust.Key{From: &trust.Point{Time: committed.AddDate(0, 0, 1)}}, false},
	} {
		c.key.Public = s.Public()
		r := check(t, w.Files, verify.Options{Trust: trust.Keys{c.key}})
		assert.Equal(t, c.good, !r.TamperingDetected, "%s: %+v", name, bad(r))
		for _, index := range []uint64{5, 6} {
			_, err := proof.Check(proveLeaf(t, w, index).Marshal(), proof.Options{Trust: trust.Keys{c.key}})
			assert.Equal(t, c.good, err == nil, "%s, leaf %d: %v", name, index, err)
		}
	}
}

// A checkpoint that was kept of leaves which retention has deleted is held against what the file
// of pruned ranges leads to. Without that it is not known whose fault it is.
func TestKeptCheckpointsOfDeletedLeaves(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 1, Scope: segline.ScopeCheckpoint}, 1, 1, 1, 1)
	require.GreaterOrEqual(t, len(w.Segments), 4)
	var sizes []uint64
	var kept [][]byte
	first := logtest.FirstIndex(t, w, 2)
	for _, note := range logtest.CheckpointNotes(t, w) {
		if c, err := signing.ParseCheckpoint(note); assert.NoError(t, err) && c.Size < first {
			sizes, kept = append(sizes, c.Size), append(kept, note)
		}
	}
	require.GreaterOrEqual(t, len(kept), 2)
	sizes = append(sizes, first)
	var leaves []merkle.Hash
	for i := range 2 {
		for _, line := range w.Lines(i) {
			if segment.KindOf(line) != segline.KindCheckpoint {
				leaves = append(leaves, merkle.LeafHash(bytes.TrimSuffix(line, []byte("\n"))))
			}
		}
	}
	ranges := func(sizes ...uint64) (file []byte) {
		var tree merkle.Frontier
		for _, size := range sizes {
			mark := consistency.NewMark(&tree)
			for _, leaf := range leaves[tree.Size():size] {
				consistency.Append(&tree, leaf, []*consistency.Mark{mark})
			}
			file = append(sidefile.AppendPrunedRange(file, sidefile.PrunedRange{Size: size, Subtrees: mark.Range(&tree)}), '\n')
		}
		return file
	}
	delete(w.Files, sidefile.CheckpointName)
	tree := w.Tree(t, 2, 0)
	root := tree.Root()
	w.Extend(t, logtest.BareLine(logtest.OwnEvent("pruned", `{"action":"pruned","before":`+strconv.FormatUint(first, 10)+`,"root_hash":"`+base64.StdEncoding.EncodeToString(root[:])+`"}`)))
	delete(w.Files, w.Segments[0])
	delete(w.Files, w.Segments[1])
	other, err := signing.SignCheckpoint("test.example/auditlog", sizes[0], [32]byte{1}, w.Signer)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		file []byte
		kept []byte
		want string
		kind verify.Kind
	}{
		"its own":                       {ranges(sizes...), kept[0], verify.VerdictOK, ""},
		"another of its own":            {ranges(sizes...), kept[1], verify.VerdictOK, ""},
		"another history":               {ranges(sizes...), other, verify.VerdictTampering, verify.Rollback},
		"no file":                       {nil, kept[0], verify.VerdictUnchecked, verify.CheckpointUnchecked},
		"no file, another history":      {nil, other, verify.VerdictUnchecked, verify.CheckpointUnchecked},
		"a file without that size":      {ranges(sizes[1:]...), kept[0], verify.VerdictUnchecked, verify.CheckpointUnchecked},
		"so, another history":           {ranges(sizes[1:]...), other, verify.VerdictUnchecked, verify.CheckpointUnchecked},
		"a file that leads nowhere":     {ranges(sizes[:1]...), kept[0], verify.VerdictTampering, verify.CheckpointUnchecked},
		"a file that leads nowhere, so": {append([]byte("junk\n"), ranges(sizes...)...), kept[0], verify.VerdictTampering, verify.CheckpointUnchecked},
	} {
		w := w.Clone()
		delete(w.Files, sidefile.PrunedRangesName)
		if c.file != nil {
			w.Files[sidefile.PrunedRangesName] = &fstest.MapFile{Data: c.file, Mode: 0o600}
		}
		r := check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(w.Signer), Checkpoints: []verify.Kept{{Note: c.kept}}})
		assert.Equal(t, c.want, r.Verdict, "%s: %+v", name, r.Findings)
		if c.kind != "" {
			assert.NotEmpty(t, ofKind(r, c.kind), "%s: %+v", name, r.Findings)
		}
		if c.kind == verify.CheckpointUnchecked {
			assert.NotContains(t, kinds(r.Findings), verify.Rollback, name)
		}
	}
}

// Whoever checks a log that was begun anew is told so, and of which log it takes the place.
func TestALogThatWasBegunAnew(t *testing.T) {
	for name, c := range map[string]struct {
		succeeds *segline.Predecessor
		want     int
	}{
		"begun anew": {&segline.Predecessor{Log: signing.LogID{7}, Size: 41900}, 1},
		"the first":  {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := logtest.NewForger(t, func(h *segment.Header) { h.Succeeds = c.succeeds })
			a.Say(map[string]string{"action": "opened", "version": "auditlog/v1"})
			a.Commit()
			r := checkForged(a, verify.Options{Keys: logtest.PublicKeys(a.Signer)})
			assert.Equal(t, verify.VerdictOK, r.Verdict)
			said := slices.DeleteFunc(r.Findings, func(f verify.Finding) bool { return f.Kind != verify.Kind("begun_anew") })
			require.Len(t, said, c.want)
			for _, f := range said {
				assert.Equal(t, verify.Info, f.Severity)
				assert.Contains(t, f.Message, c.succeeds.Log.String()+" of at least 41900 leaves")
			}
		})
	}
}
