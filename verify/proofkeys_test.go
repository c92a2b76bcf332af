// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// forge makes a proof of a line in a tree of one's own making, of the same size as the
// one that p ends in, signed with a key.
func forge(t testing.TB, p *proof.Inclusion, line []byte, thief *signing.Signer) *proof.Inclusion {
	t.Helper()
	c, err := signing.ParseCheckpoint(p.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	leaves := make([]tlog.Hash, c.Size)
	leaves[p.Index] = tlog.RecordHash(line)
	var all []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (hashes []tlog.Hash, _ error) {
		for _, i := range indexes {
			hashes = append(hashes, all[i])
		}
		return hashes, nil
	})
	for i, leaf := range leaves {
		more, err := tlog.StoredHashesForRecordHash(int64(i), leaf, reader)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, more...)
	}
	root, err := tlog.TreeHash(int64(c.Size), reader)
	if err != nil {
		t.Fatal(err)
	}
	forged := &proof.Inclusion{Line: line, KeyChanges: p.KeyChanges, Index: p.Index}
	if forged.Path, err = tlog.ProveRecord(int64(c.Size), int64(p.Index), reader); err != nil {
		t.Fatal(err)
	}
	if forged.Checkpoint, err = signing.SignCheckpoint(c.Origin, c.Size, root, thief); err != nil {
		t.Fatal(err)
	}
	return forged
}

// signed returns an event line with the signature of a key.
func signed(t testing.TB, canonical []byte, s *signing.Signer) []byte {
	t.Helper()
	signature, err := s.Sign(canonical)
	if err != nil {
		t.Fatal(err)
	}
	return segment.AppendSignature(append(segment.AppendEventStart(nil), canonical...), signature, s.Public().ID())
}

// Whoever has a later key, and makes up others, cannot have the log's first key be
// another than it was: the key changes are one chain.
func TestProofByALaterKeyWithKeyChangesOfItsOwn(t *testing.T) {
	keys := threeKeys(t)
	w := writeKeys(t, rotation.Options{}, keys...)
	p := proveLeaf(t, w, 3)
	parsed, err := segment.ParseEvent(p.Line)
	if err != nil {
		t.Fatal(err)
	}
	thief, helper := keys[2], newSigner(t, signing.Ed25519)
	line := signed(t, bytes.Replace(parsed.Canonical, []byte("user-001"), []byte("user-999"), 1), thief)
	change := func(index uint64, from, to *signing.Signer) []byte {
		n, err := signing.SignKeyChange("test.example/auditlog", index, [32]byte{}, from, to)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for name, changes := range map[string][][]byte{
		"a change to the stolen key before":  append([][]byte{change(1, helper, thief)}, p.KeyChanges...),
		"a change away and back again":       append([][]byte{change(1, thief, helper), change(2, helper, thief)}, p.KeyChanges...),
		"the first change left out":          append([][]byte{change(1, helper, thief)}, p.KeyChanges[1:]...),
		"a change between":                   slices.Insert(slices.Clone(p.KeyChanges), 1, change(7, helper, thief)),
		"a change at the index of the first": append([][]byte{change(0, helper, thief)}, p.KeyChanges...),
	} {
		forged := forge(t, p, line, thief)
		forged.KeyChanges = changes
		if got, err := verify.CheckProof(forged.Marshal(), verify.ProofOptions{Keys: public(keys[0])}); err == nil {
			t.Errorf("%s: forged, and proven: %+v", name, got)
		} else if !errors.Is(err, verify.ErrProofFails) && !errors.Is(err, verify.ErrWrongKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A proof that ends in an older checkpoint, which witnesses have cosigned, carries the
// key changes up to that one only.
func TestProofCosignedBeforeAKeyChange(t *testing.T) {
	keys := threeKeys(t)
	w := writeKeys(t, rotation.Options{}, keys...)
	lines := w.lines(0)
	checkpoint, err := segment.ParseCheckpoint(bytes.TrimSuffix(lines[len(lines)-1], []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := keys[0].Public().NoteVerifier("test.example/auditlog")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open(checkpoint, note.VerifierList(ours))
	if err != nil {
		t.Fatal(err)
	}
	skey, _, err := note.GenerateKey(nil, "witness.example")
	if err != nil {
		t.Fatal(err)
	}
	cosigner, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	cosigned, err := note.Sign(opened, cosigner)
	if err != nil {
		t.Fatal(err)
	}
	w.fsys[segment.CheckpointName].Data = cosigned
	p := proveLeaf(t, w, 3)
	if !bytes.Equal(p.Checkpoint, cosigned) || len(p.KeyChanges) != 0 {
		t.Errorf("%d key changes, checkpoint\n%s", len(p.KeyChanges), p.Checkpoint)
	}
	if _, err := verify.CheckProof(p.Marshal(), verify.ProofOptions{Keys: public(keys[0])}); err != nil {
		t.Error(err)
	}
	// Of an event behind it, the newest is the one.
	p = proveLeaf(t, w, 14)
	if _, err := verify.CheckProof(p.Marshal(), verify.ProofOptions{Keys: public(keys[0])}); err != nil || len(p.KeyChanges) != 2 {
		t.Errorf("%d key changes, %v", len(p.KeyChanges), err)
	}
}

// An event without a signature of its own rests on the checkpoint's. If the key of that
// is a later one than the event's, the proof says so.
func TestProofByLaterKeysOnly(t *testing.T) {
	keys := threeKeys(t)
	for _, scope := range []segment.Scope{segment.ScopeEvent, segment.ScopeCheckpoint} {
		w := writeKeys(t, rotation.Options{Scope: scope}, keys...)
		for _, c := range []struct {
			index uint64
			later bool
		}{{2, scope == segment.ScopeCheckpoint}, {8, scope == segment.ScopeCheckpoint}, {14, false}} {
			p := proveLeaf(t, w, c.index)
			got, err := verify.CheckProof(p.Marshal(), verify.ProofOptions{Keys: public(keys[0])})
			if err != nil || got.LaterKeysOnly != c.later {
				t.Errorf("scope %s, leaf %d: %+v, %v", scope, c.index, got, err)
			}
		}
	}
	// Whoever has the last key leaves the signature away.
	w := writeKeys(t, rotation.Options{}, keys...)
	p := proveLeaf(t, w, 3)
	parsed, err := segment.ParseEvent(p.Line)
	if err != nil {
		t.Fatal(err)
	}
	start := append(segment.AppendEventStart(nil), parsed.Canonical...)
	for _, line := range [][]byte{segment.AppendNoSignature(bytes.Clone(start)), segment.AppendNullSignature(bytes.Clone(start))} {
		got, err := verify.CheckProof(forge(t, p, line, keys[2]).Marshal(), verify.ProofOptions{Keys: public(keys[0])})
		if err != nil || !got.LaterKeysOnly {
			t.Errorf("%+v, %v", got, err)
		}
	}
}
