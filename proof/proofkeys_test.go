// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// forge makes a proof of a line in a tree of one's own making, of the same size as the
// one that p ends in, signed with a key.
func forge(t testing.TB, p *proof.Inclusion, line []byte, thief *signing.Signer) *proof.Inclusion {
	t.Helper()
	c, err := signing.ParseCheckpoint(p.Checkpoint)
	require.NoError(t, err)
	leaves := make([]tlog.Hash, c.Size)
	leaves[p.Index], leaves[p.CommitIndex] = tlog.RecordHash(line), tlog.RecordHash(p.Commit)
	var all []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (hashes []tlog.Hash, _ error) {
		for _, i := range indexes {
			hashes = append(hashes, all[i])
		}
		return hashes, nil
	})
	for i, leaf := range leaves {
		more, err := tlog.StoredHashesForRecordHash(int64(i), leaf, reader)
		require.NoError(t, err)
		all = append(all, more...)
	}
	root, err := tlog.TreeHash(int64(c.Size), reader)
	require.NoError(t, err)
	forged := &proof.Inclusion{Line: line, Log: p.Log, KeyChanges: p.KeyChanges, Index: p.Index, Commit: p.Commit, CommitIndex: p.CommitIndex, CommitPath: p.CommitPath}
	if len(p.KeyChangePath) == 0 {
		forged.CommitPath, err = tlog.ProveRecord(int64(c.Size), int64(p.CommitIndex), reader)
		require.NoError(t, err)
	}
	forged.Path, err = tlog.ProveRecord(int64(c.Size), int64(p.Index), reader)
	require.NoError(t, err)
	forged.Checkpoint, err = signing.SignCheckpoint(c.Origin, c.Size, root, thief)
	require.NoError(t, err)
	return forged
}

// Whoever has a later key, and makes up others, cannot have the log's first key be
// another than it was: the key changes are one chain.
func TestProofByALaterKeyWithKeyChangesOfItsOwn(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	w := logtest.WriteKeys(t, rotation.Options{}, keys...)
	p := proveLeaf(t, w, 5)
	parsed, err := segment.ParseEvent(nil, p.Line)
	require.NoError(t, err)
	thief, helper := keys[2], signingtest.New(t, signing.Ed25519)
	line := w.SignedLine(t, bytes.Replace(parsed.Canonical, []byte("user-001"), []byte("user-999"), 1), thief)
	change := func(index uint64, from, to *signing.Signer) []byte {
		return logtest.SignKeyChange(t, signing.KeyChange{Origin: "test.example/auditlog", Log: p.Log, Index: index}, from, to)
	}
	for name, changes := range map[string][][]byte{
		"a change to the stolen key before":  append([][]byte{change(1, helper, thief)}, p.KeyChanges...),
		"a change away and back again":       append([][]byte{change(1, thief, helper), change(2, helper, thief)}, p.KeyChanges...),
		"the first change left out":          append([][]byte{change(1, helper, thief)}, p.KeyChanges[1:]...),
		"a change between":                   slices.Insert(slices.Clone(p.KeyChanges), 1, change(9, helper, thief)),
		"a change at the index of the first": append([][]byte{change(0, helper, thief)}, p.KeyChanges...),
	} {
		forged := forge(t, p, line, thief)
		forged.KeyChanges = changes
		if got, err := proof.Check(forged.Marshal(), proof.Options{Keys: logtest.PublicKeys(keys[0])}); err == nil {
			t.Errorf("%s: forged, and proven: %+v", name, got)
		} else if !errors.Is(err, proof.ErrFails) && !errors.Is(err, verify.ErrWrongKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A proof that ends in an older checkpoint, which witnesses have cosigned, carries the
// key changes up to that one only.
func TestProofCosignedBeforeAKeyChange(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	w := logtest.WriteKeys(t, rotation.Options{}, keys...)
	lines := w.Lines(0)
	checkpoint, err := segment.ParseCheckpoint(bytes.TrimSuffix(lines[len(lines)-1], []byte("\n")))
	require.NoError(t, err)
	text, signatures, err := signednote.Split(checkpoint)
	require.NoError(t, err)
	skey, _, err := note.GenerateKey(nil, "witness.example")
	require.NoError(t, err)
	cosigner, err := note.NewSigner(skey)
	require.NoError(t, err)
	cosigned, err := note.Sign(&note.Note{Text: string(text)}, cosigner)
	require.NoError(t, err)
	cosigned = append(cosigned, signatures...)
	w.Files[sidefile.CheckpointName].Data = cosigned
	p := proveLeaf(t, w, 5)
	if !bytes.Equal(p.Checkpoint, cosigned) || len(p.KeyChanges) != 0 {
		t.Errorf("%d key changes, checkpoint\n%s", len(p.KeyChanges), p.Checkpoint)
	}
	_, err = proof.Check(p.Marshal(), proof.Options{Keys: logtest.PublicKeys(keys[0])})
	assert.NoError(t, err)
	// A key change at the checkpoint's very size is later than it.
	late := *p
	late.KeyChanges, late.KeyChangePath = proveLeaf(t, w, 21).KeyChanges[:1], p.Path
	c, err := signing.ParseCheckpoint(cosigned)
	require.NoError(t, err, "the checkpoint is over")
	require.Equal(t, logtest.FirstIndex(t, w, 1), c.Size, "the checkpoint is over")
	got, err := proof.Check(late.Marshal(), proof.Options{Keys: logtest.PublicKeys(keys[0])})
	assert.ErrorIs(t, err, proof.ErrFails, "with a key change at its size: %+v", got)
	// Of an event behind it, the newest is the one.
	p = proveLeaf(t, w, 21)
	if _, err := proof.Check(p.Marshal(), proof.Options{Keys: logtest.PublicKeys(keys[0])}); err != nil || len(p.KeyChanges) != 2 {
		t.Errorf("%d key changes, %v", len(p.KeyChanges), err)
	}
}

// The key that the log had at an event signed, when it was changed, the tree with the event
// in it: with that in the proof no later key is needed to vouch for it, nor can one.
func TestProofOfAnEarlierKey(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		w := logtest.WriteKeys(t, rotation.Options{Scope: scope}, keys...)
		for _, index := range []uint64{3, 5, 12, 21} {
			p := proveLeaf(t, w, index)
			got, err := proof.Check(p.Marshal(), proof.Options{Keys: logtest.PublicKeys(keys[0])})
			if err != nil || got.LaterKeysOnly {
				t.Errorf("scope %s, leaf %d: %v", scope, index, err)
			}
			// Whoever trusts the last key only has nobody else to rely on.
			got, err = proof.Check(p.Marshal(), proof.Options{Keys: logtest.PublicKeys(keys[2])})
			if err != nil || got.LaterKeysOnly != (index < 14) {
				t.Errorf("the last key, scope %s, leaf %d: %t, %v", scope, index, got.LaterKeysOnly, err)
			}
		}
	}
}

// Whoever has a later key cannot prove an event that the log did not hold before it had
// that key, whether with or without a signature.
func TestProofByTheThiefOfALaterKey(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		w := logtest.WriteKeys(t, rotation.Options{Scope: scope}, keys...)
		p, other := proveLeaf(t, w, 5), proveLeaf(t, w, 3)
		parsed, err := segment.ParseEvent(nil, p.Line)
		require.NoError(t, err)
		forged := append(segline.AppendEventStart(nil), bytes.Replace(parsed.Canonical, []byte("user-001"), []byte("user-999"), 1)...)
		lines := map[string][]byte{
			"without a signature":      segline.AppendNoSignature(bytes.Clone(forged)),
			"as if signing had failed": segline.AppendNullSignature(bytes.Clone(forged)),
			"another event's place":    other.Line,
			"in its own place":         p.Line,
		}
		paths := map[string][]tlog.Hash{
			"no path":               nil,
			"the path of the place": p.KeyChangePath,
			"another path":          other.KeyChangePath,
			"a path too long":       append(slices.Clone(p.KeyChangePath), tlog.Hash{}),
		}
		for line, content := range lines {
			for path, hashes := range paths {
				f := forge(t, p, content, keys[2])
				f.KeyChangePath = hashes
				got, err := proof.Check(f.Marshal(), proof.Options{Keys: logtest.PublicKeys(keys[0])})
				if line == "in its own place" && path == "the path of the place" {
					assert.NoError(t, err, "what is in the log")
					continue
				}
				assert.ErrorIs(t, err, proof.ErrFails, "scope %s, %s, %s: %+v", scope, line, path, got)
			}
		}
		// A path without a key change to lead to.
		last := proveLeaf(t, w, 21)
		last.KeyChangePath = p.KeyChangePath
		_, err = proof.Check(last.Marshal(), proof.Options{Keys: logtest.PublicKeys(keys[0])})
		assert.ErrorIs(t, err, proof.ErrFails, "a path that leads nowhere")
	}
}

// What bounds a key holds for proofs.
func TestProofByRevokedKeys(t *testing.T) {
	keys, beside := logtest.ThreeKeys(t), signingtest.New(t, signing.Ed25519)
	w := logtest.WriteKeys(t, rotation.Options{CheckpointSigner: beside}, keys...)
	second, third := logtest.FirstIndex(t, w, 1), logtest.FirstIndex(t, w, 2)
	size := w.Size(t)
	time := func(hour int) *trust.Point {
		return &trust.Point{Time: time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC)}
	}
	one := func(k *signing.Signer, revoked *trust.Point) trust.Keys {
		return trust.Keys{{Public: k.Public(), Revoked: revoked}}
	}
	stranger := signingtest.New(t, signing.Ed25519).Public()
	for name, c := range map[string]struct {
		index uint64
		o     proof.Options
		want  error
	}{
		"none is":                                  {5, proof.Options{Trust: one(keys[0], nil)}, nil},
		"the first, after it was left":             {5, proof.Options{Trust: one(keys[0], logtest.AtLeaf(second+1))}, verify.ErrWrongKey},
		"the first, and the next is listed":        {5, proof.Options{Keys: logtest.PublicKeys(keys[1]), Trust: one(keys[0], logtest.AtLeaf(second+1))}, nil},
		"the first, before it introduced":          {5, proof.Options{Trust: one(keys[0], logtest.AtLeaf(second))}, verify.ErrWrongKey},
		"the first, before the event":              {5, proof.Options{Keys: logtest.PublicKeys(keys[2]), Trust: one(keys[0], logtest.AtLeaf(5))}, proof.ErrFails},
		"the last, before its checkpoint":          {21, proof.Options{Trust: one(keys[2], logtest.AtLeaf(size-1))}, proof.ErrFails},
		"the last, after its checkpoint":           {21, proof.Options{Trust: one(keys[2], logtest.AtLeaf(size))}, proof.ErrRevokedAlone},
		"the last, as of a time before that":       {21, proof.Options{AsOf: &size, Trust: one(keys[2], logtest.AtLeaf(size))}, nil},
		"the last, with a key next to it":          {21, proof.Options{CheckpointKeys: logtest.PublicKeys(beside), Trust: one(keys[2], logtest.AtLeaf(size))}, nil},
		"the last, the first is given":             {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), Trust: one(keys[2], logtest.AtLeaf(third))}, proof.ErrFails},
		"the second, before it introduced":         {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), Trust: one(keys[1], logtest.AtLeaf(third))}, verify.ErrWrongKey},
		"the checkpoint key alone":                 {21, proof.Options{Keys: logtest.PublicKeys(beside)}, verify.ErrWrongKey},
		"the checkpoint key beside the other":      {21, proof.Options{Keys: logtest.PublicKeys(keys[0]), Trust: one(beside, logtest.AtLeaf(21))}, nil},
		"the last, at a time after the commit":     {21, proof.Options{Trust: one(keys[2], time(11))}, proof.ErrRevokedAlone},
		"the last, so, as of a time before that":   {21, proof.Options{AsOf: &size, Trust: one(keys[2], time(11))}, nil},
		"the last, at a time before the commit":    {21, proof.Options{Trust: one(keys[2], time(10))}, proof.ErrFails},
		"the first, at a time that is not shown":   {5, proof.Options{Trust: one(keys[0], time(11))}, verify.ErrWrongKey},
		"the first, at a time that is shown":       {21, proof.Options{Keys: logtest.PublicKeys(keys[1]), Trust: one(keys[0], time(11))}, nil},
		"the first, not valid yet":                 {5, proof.Options{Trust: trust.Keys{{Public: keys[0].Public(), From: logtest.AtLeaf(6)}}}, proof.ErrFails},
		"the last, not valid at the event's leaf":  {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), Trust: trust.Keys{{Public: keys[2].Public(), From: logtest.AtLeaf(third)}}}, nil},
		"the last, known from an earlier leaf on":  {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), Trust: trust.Keys{{Public: keys[2].Public(), From: logtest.AtLeaf(third - 1)}}}, proof.ErrFails},
		"another, known from a leaf on":            {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), Trust: trust.Keys{{Public: stranger, From: logtest.AtLeaf(size - 1)}}}, proof.ErrFails},
		"another, from a leaf on not there yet":    {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), Trust: trust.Keys{{Public: stranger, From: logtest.AtLeaf(size)}}}, nil},
		"a checkpoint key that is not the log's":   {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), CheckpointKeys: []*signing.PublicKey{stranger}}, proof.ErrUnsigned},
		"so, known from a leaf on":                 {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), Trust: trust.Keys{{Public: stranger, Use: trust.UseCheckpoints, From: logtest.AtLeaf(7)}}}, proof.ErrFails},
		"so, not from there on yet":                {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), Trust: trust.Keys{{Public: stranger, Use: trust.UseCheckpoints, From: logtest.AtLeaf(size)}}}, nil},
		"so, left before":                          {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), Trust: trust.Keys{{Public: stranger, Use: trust.UseCheckpoints, Until: logtest.AtLeaf(7)}}}, nil},
		"the checkpoint key without another":       {5, proof.Options{CheckpointKeys: logtest.PublicKeys(beside)}, verify.ErrNoEventKey},
		"the checkpoint key, listed, and no other": {5, proof.Options{Trust: trust.Keys{{Public: beside.Public(), Use: trust.UseCheckpoints}}}, verify.ErrNoEventKey},
		"another origin":                           {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), Origin: "test.example/other"}, verify.ErrWrongOrigin},
		"its origin":                               {5, proof.Options{Keys: logtest.PublicKeys(keys[0]), Origin: "test.example/auditlog"}, nil},
	} {
		_, err := proof.Check(proveLeaf(t, w, c.index).Marshal(), c.o)
		assert.ErrorIs(t, err, c.want, name)
		assert.Equal(t, c.want == nil, err == nil, name)
	}
}

// The time that decides is that of the event's own commit, which the key of the time has
// signed: a proof with another commit fails.
func TestProofWithAnotherCommit(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	w := logtest.WriteKeys(t, rotation.Options{}, keys...)
	o := proof.Options{Keys: logtest.PublicKeys(keys[0])}
	p := proveLeaf(t, w, 5)
	got, err := proof.Check(p.Marshal(), o)
	require.NoError(t, err)
	commit, err := segment.ParseCommit(p.Commit)
	require.NoError(t, err, "committed %s at leaf", got.Committed)
	require.True(t, got.Committed.Equal(commit.Time), "committed %s at leaf", got.Committed)
	require.Equal(t, uint64(6), p.CommitIndex, "committed %s at leaf", got.Committed)
	later, earlier := proveLeaf(t, w, 21), proveLeaf(t, w, 1)
	early := commit
	early.Time = early.Time.AddDate(-1, 0, 0)
	for name, change := range map[string]func(*proof.Inclusion){
		"an earlier one": func(f *proof.Inclusion) {
			f.Commit, f.CommitIndex, f.CommitPath = earlier.Commit, earlier.CommitIndex, earlier.CommitPath
		},
		"a later one": func(f *proof.Inclusion) {
			f.Commit, f.CommitIndex, f.CommitPath = later.Commit, later.CommitIndex, later.CommitPath
		},
		"another time":          func(f *proof.Inclusion) { f.Commit = segline.AppendCommit(nil, early.Number, early.Time, early.IDs) },
		"none":                  func(f *proof.Inclusion) { f.Commit = f.Line },
		"another index":         func(f *proof.Inclusion) { f.CommitIndex++ },
		"the event's own index": func(f *proof.Inclusion) { f.CommitIndex = f.Index },
		"a path cut off":        func(f *proof.Inclusion) { f.CommitPath = f.CommitPath[1:] },
		"the event's path":      func(f *proof.Inclusion) { f.CommitPath = f.Path },
		"of the newest key's own": func(f *proof.Inclusion) {
			*f = *forge(t, p, p.Line, keys[2])
			f.KeyChangePath = p.KeyChangePath
			f.Commit = segline.AppendCommit(nil, early.Number, early.Time, early.IDs)
		},
	} {
		f := *p
		change(&f)
		_, err := proof.Check(f.Marshal(), o)
		assert.ErrorIs(t, err, proof.ErrFails, name)
	}
}

// What does not begin as a proof has nothing in it that could fail, and what is cut off not all of it.
func TestWhatIsNoProof(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1)
	good := proveLeaf(t, w, 3).Marshal()
	for name, text := range map[string][]byte{
		"nothing": nil, "a checkpoint": w.Checkpoint(t), "with CRLF": bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")), "with a byte order mark": append([]byte("\ufeff"), good...),
		"the newline cut off": good[:len(good)-1], "cut off within": good[:len(good)/2], "cut after a line": good[:bytes.Index(good, []byte("\nindex "))+1],
		"its signatures cut off": good[:bytes.LastIndex(good, []byte("\n\n"))+2],
	} {
		_, err := proof.Check(text, proof.Options{Keys: logtest.PublicKeys(w.Signer)})
		assert.Error(t, err, name)
		assert.NotErrorIs(t, err, proof.ErrFails, name)
	}
}

// A checkpoint is not good for the sake of a key that signs next to the log's.
func TestOpenCheckpointOfTheCheckpointKey(t *testing.T) {
	keys, beside := logtest.ThreeKeys(t), signingtest.New(t, signing.Ed25519)
	w := logtest.WriteKeys(t, rotation.Options{CheckpointSigner: beside}, keys...)
	for _, k := range keys {
		if _, err := proof.OpenCheckpoint(t.Context(), w.Files, w.Checkpoint(t), proof.Options{Keys: logtest.PublicKeys(k, beside)}); err != nil {
			t.Errorf("%s: %v", k.Public().ID(), err)
		}
	}
	_, err := proof.OpenCheckpoint(t.Context(), w.Files, w.Checkpoint(t), proof.Options{Keys: logtest.PublicKeys(beside)})
	assert.ErrorIs(t, err, verify.ErrWrongKey, "the checkpoint key")
}
