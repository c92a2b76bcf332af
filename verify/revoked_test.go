// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// A key that signs checkpoints next to another is held against its bounds, too, whichever
// of the two the caller lists first.
func TestRevokedCheckpointKey(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		signer, beside := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)
		w := logtest.Write(t, rotation.Options{Scope: scope, Signer: signer, CheckpointSigner: beside, MaxSegmentBytes: 1}, 1, 1, 1)
		require.Len(t, w.Segments, 3)
		at := logtest.FirstIndex(t, w, 2) - 1
		revoked := trust.Key{Public: beside.Public(), Revoked: logtest.AtLeaf(at), Reason: "copied"}
		forCheckpoints := revoked
		forCheckpoints.Use = trust.UseCheckpoints
		for name, o := range map[string]verify.Options{
			"the signer is listed, too":      {Trust: trust.Keys{{Public: signer.Public()}, revoked}},
			"the signer is listed after it":  {Trust: trust.Keys{revoked, {Public: signer.Public()}}},
			"the signer is given by itself":  {Keys: logtest.PublicKeys(signer), Trust: trust.Keys{revoked}},
			"it is listed for checkpoints":   {Keys: logtest.PublicKeys(signer), Trust: trust.Keys{forCheckpoints}},
			"it is given for checkpoints":    {Keys: logtest.PublicKeys(signer), CheckpointKeys: logtest.PublicKeys(beside), Trust: trust.Keys{revoked}},
			"it is given for both by itself": {Keys: logtest.PublicKeys(signer, beside), Trust: trust.Keys{revoked}},
		} {
			t.Run(string(scope)+"/"+name, func(t *testing.T) {
				r := check(t, w.Files, o)
				found := ofKind(r, verify.KeyRevoked)
				require.Len(t, found, 2, "one for each segment: %+v", r.Findings)
				assert.Contains(t, found[0].Message, "(copied)")
				assert.Equal(t, at, *found[0].Index)
				assert.True(t, r.TamperingDetected)
				assert.Zero(t, r.FailedEvents, "the signer is good")
			})
		}
		// It may sign up to there, and the checkpoint of that very size.
		revoked.Revoked = logtest.AtLeaf(check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(signer)}).TreeSize)
		assert.Empty(t, check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(signer), Trust: trust.Keys{revoked}}).Findings)
	}
}

// A header that cannot be read does not hide from when on a key is revoked.
func TestRevokedKeyBehindADamagedHeader(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		w := logtest.Write(t, rotation.Options{Scope: scope, MaxSegmentBytes: 1}, 1, 1, 1)
		first := logtest.FirstIndex(t, w, 1)
		for name, revoked := range map[string]*trust.Point{
			"at a leaf": logtest.AtLeaf(first), "at a time": {Time: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)},
		} {
			w := w.Clone()
			lines := w.Lines(1)
			lines[0] = append([]byte("x"), lines[0]...)
			w.SetLines(1, lines)
			r := check(t, w.Files, verify.Options{Trust: trust.Keys{{Public: w.Signer.Public(), Revoked: revoked}}})
			found := slices.ContainsFunc(ofKind(r, verify.KeyRevoked), func(f verify.Finding) bool { return f.Segment == w.Segments[1] })
			assert.True(t, found, "%s, %s: %+v", scope, name, r.Findings)
			assert.LessOrEqual(t, r.VerifiedEvents, uint64(2), "%s, %s", scope, name) // those of the first segment
		}
	}
}

// Whoever has a key that was revoked at a time does not get round that by leaving its key
// change out of the segment, or by deleting the segment: the file of key changes alone has
// no time.
func TestKeyRevokedAtATimeIntroducesNobody(t *testing.T) {
	old, thief := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)
	w := logtest.Write(t, rotation.Options{Signer: old}, 2)
	r := checkCopy(t, w)
	change := logtest.SignKeyChange(t, signing.KeyChange{Origin: "test.example/auditlog", Log: w.Header(t, 0).Log, Index: r.TreeSize, Root: [32]byte(r.RootHash)}, old, thief)
	w.Files[sidefile.KeyChangesName] = &fstest.MapFile{Data: append(sidefile.AppendKeyChange(nil, change), '\n'), Mode: 0o600}
	stranger(t, w, thief, segline.KeyOf(thief.Public())) // created on the 24th
	lines := w.Lines(1)
	last := len(lines) - 1
	note, err := segment.ParseCheckpoint(bytes.TrimSuffix(lines[last], []byte("\n")))
	require.NoError(t, err)
	c, err := signing.ParseCheckpoint(note)
	require.NoError(t, err)
	note, err = signing.SignCheckpoint(c.Origin, c.Size, c.Root, thief, old)
	require.NoError(t, err)
	lines[last] = append(segline.AppendCheckpoint(nil, note), '\n')
	w.SetLines(1, lines)
	at := func(hour int) verify.Options {
		return verify.Options{Trust: trust.Keys{{Public: old.Public(), Revoked: &trust.Point{Time: time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC)}}}}
	}
	require.Equal(t, []string{"given", "introduced"}, trustOf(check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(old)})), "the forged log is in good form")
	assert.Equal(t, []string{"given", "unknown"}, trustOf(check(t, w.Files, at(20))))

	// Nor with what came before gone.
	delete(w.Files, w.Segments[0])
	w.Segments = w.Segments[1:]
	_, err = verify.Log(t.Context(), w.Files, at(20))
	assert.ErrorIs(t, err, verify.ErrWrongKey)
	// Not even if it was introduced before: that it was its owner's doing is for the caller
	// to say.
	o := at(0)
	o.Trust[0].Revoked.Time = o.Trust[0].Revoked.Time.AddDate(0, 0, 2)
	_, err = verify.Log(t.Context(), w.Files, o)
	assert.ErrorIs(t, err, verify.ErrWrongKey)
	o.Trust = append(o.Trust, trust.Key{Public: thief.Public()})
	assert.Equal(t, []string{"given"}, trustOf(check(t, w.Files, o)))
}

// A checkpoint that a revoked key alone has signed since does not count, whoever kept it, and
// accuses nobody.
func TestKeptCheckpointOfARevokedKey(t *testing.T) {
	old, next := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)
	w := logtest.WriteKeys(t, rotation.Options{}, old, next)
	whole := check(t, w.Files, verify.Options{Keys: logtest.PublicKeys(old)})
	kept, err := signing.SignCheckpoint(whole.Origin, whole.TreeSize, [32]byte(whole.RootHash), old)
	require.NoError(t, err)
	good, err := signing.SignCheckpoint(whole.Origin, whole.TreeSize, [32]byte(whole.RootHash), old, next)
	require.NoError(t, err)
	limit := logtest.FirstIndex(t, w, 1) + 1
	for what, k := range map[string]trust.Key{
		"revoked":   {Public: old.Public(), Revoked: logtest.AtLeaf(limit)},
		"not valid": {Public: old.Public(), Until: logtest.AtLeaf(limit)},
	} {
		o := verify.Options{Keys: logtest.PublicKeys(next), Trust: trust.Keys{k}}
		require.Empty(t, bad(check(t, w.Files, o)), what)
		o.Checkpoints = []verify.Kept{{Note: kept}}
		want := verify.KeyRevoked
		if k.Revoked == nil {
			want = verify.KeyNotValid
		}
		r := check(t, w.Files, o)
		assert.Empty(t, bad(r), what)
		assert.Len(t, ofKind(r, want), 1, what)
		assert.Equal(t, verify.VerdictUnchecked, r.Verdict, what)
		o.Checkpoints = []verify.Kept{{Note: good}} // by the new key, too
		assert.Equal(t, verify.VerdictOK, check(t, w.Files, o).Verdict, what)
	}
}

// Cosignatures that a witness's key made after it was revoked do not count, those before do.
func TestRevokedWitness(t *testing.T) {
	o, all := logtest.Witnessed(t, rotation.Options{}, "witness.example/w1", "witness.example/w2")
	w := logtest.Write(t, o, 3, 2)
	given := verify.Options{Keys: logtest.PublicKeys(w.Signer), Witnesses: logtest.WitnessKeys(all...), Quorum: 2}
	before := check(t, w.Files, given)
	require.False(t, before.TamperingDetected)
	renamed := renamed(t, all[0].Key, "witness.example/other")
	for what, k := range map[string]*witness.Key{"by its key": all[0].Key, "whatever it is called": renamed} {
		given.Trust = trust.Keys{{Witness: k, Revoked: logtest.AtLeaf(0), Reason: "stolen"}}
		r := check(t, w.Files, given)
		assert.Equal(t, []verify.Kind{verify.NotWitnessed}, kinds(amiss(r)), what)
		assert.Equal(t, verify.VerdictUnchecked, r.Verdict, what)
		assert.NotEmpty(t, ofKind(r, verify.KeyRevoked), what)
		assert.Equal(t, uint64(0), r.Witnesses[0].Size, what)
		assert.Nil(t, r.Witnesses[0].Time, what)
	}
	for what, p := range map[string]*trust.Point{
		"a leaf": logtest.AtLeaf(before.WitnessedSize), "a time": {Time: before.Witnesses[0].Time.Add(time.Second)},
	} {
		given.Trust = trust.Keys{{Witness: all[0].Key, Revoked: p}}
		r := check(t, w.Files, given)
		assert.Empty(t, bad(r), what)
		assert.Equal(t, before.WitnessedSize, r.WitnessedSize, what)
	}
	given.Trust = trust.Keys{{Witness: all[0].Key, Revoked: &trust.Point{Time: *before.Witnesses[0].Time}}}
	r := check(t, w.Files, given)
	assert.NotEmpty(t, ofKind(r, verify.KeyRevoked), "of the second in which it was revoked")
	if last := r.Witnesses[0].Time; last != nil { // an earlier one counts
		assert.True(t, last.Before(*before.Witnesses[0].Time), "%s", last)
	}
	// A witness in the trust file is not trusted for being there, and no key of the log.
	r = check(t, w.Files, verify.Options{Trust: trust.Keys{{Witness: all[0].Key}}})
	assert.True(t, r.SelfAttested)
	assert.Empty(t, r.Witnesses)
}
