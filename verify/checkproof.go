// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// ProofOptions say what a proof must show.
type ProofOptions struct {
	// Keys are the trusted public keys; at least one is needed. Where the log has
	// changed its key since, the proof leads from the first key to the later ones.
	Keys []*signing.PublicKey
	// Witnesses are trusted to have followed the log. Quorum is how many of them must
	// have cosigned the checkpoint; 0 means all of them. Keys of the same name are of one
	// witness, which counts once.
	Witnesses []*witness.Key
	Quorum    int
}

// Proven is what a proof shows.
type Proven struct {
	// Event is the event in canonical JSON, Line the leaf that holds it.
	Event []byte
	Line  []byte
	// Index is the event's leaf index, and Origin, TreeSize and RootHash those of the
	// checkpoint that covers it.
	Index    uint64
	Origin   string
	TreeSize uint64
	RootHash []byte
	// SignedBy are the ids of the trusted keys that signed the checkpoint.
	SignedBy []string
	// EventSignedBy is the id of the trusted key that signed the event itself, "" if
	// it carries no signature, or one of a key that is not known.
	EventSignedBy string
	// LaterKeysOnly says that all that is signed here is signed with keys that the log
	// took up after the event: then whoever has one of them may have made the event up.
	LaterKeysOnly bool
	// Cosigned are the names of the witnesses that cosigned the checkpoint.
	Cosigned []string
}

// ErrProofFails: a proof does not show what it claims. Other errors than that and
// [ErrWrongKey] say that it could not be checked.
var ErrProofFails = errors.New("the proof fails")

// CheckProof checks the text of a proof (c2sp.org/tlog-proof) that [Prove] has made:
// that an event is in the log whose checkpoint a trusted key has signed, and, if asked
// for, witnesses have cosigned. It needs nothing else.
func CheckProof(text []byte, o ProofOptions) (*Proven, error) {
	if len(o.Keys) == 0 {
		return nil, errors.New("check a proof: no trusted key given")
	}
	var err error
	if o.Quorum, err = quorumOf(o.Witnesses, o.Quorum); err != nil {
		return nil, fmt.Errorf("check a proof: %w", err)
	}
	p, err := proof.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
	}
	line, err := segment.ParseEvent(p.Line)
	if err != nil {
		return nil, fmt.Errorf("%w: it does not hold an event: %w", ErrProofFails, err)
	}
	var sum event.Summary
	if err := event.Scan(line.Canonical, &sum); err != nil {
		return nil, fmt.Errorf("%w: it does not hold an event: %w", ErrProofFails, err)
	}
	c, err := signing.ParseCheckpoint(p.Checkpoint)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
	}
	if p.Index >= c.Size || c.Size > segment.MaxIndex {
		return nil, fmt.Errorf("%w: the checkpoint over %d leaves does not cover leaf %d", ErrProofFails, c.Size, p.Index)
	}
	if err := tlog.CheckRecord(p.Path, int64(c.Size), tlog.Hash(c.Root), int64(p.Index), tlog.RecordHash(p.Line)); err != nil {
		return nil, fmt.Errorf("%w: the event and its path do not lead to the checkpoint's root", ErrProofFails)
	}
	chain, err := followKeys(p, c, o.Keys)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
	}
	_, signedBy, err := signing.OpenCheckpoint(p.Checkpoint, c.Origin, chain.trusted)
	if errors.Is(err, signing.ErrNoTrustedSignature) {
		return nil, fmt.Errorf("%w: the %w", ErrWrongKey, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
	}
	proven := &Proven{Event: line.Canonical, Line: p.Line, Index: p.Index, Origin: c.Origin, TreeSize: c.Size, RootHash: c.Root[:]}
	for _, k := range signedBy {
		proven.SignedBy = append(proven.SignedBy, k.ID())
	}
	if line.Form == segment.FormSigned {
		if proven.EventSignedBy, err = chain.checkEvent(line, p.Index); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
		}
	}
	proven.LaterKeysOnly = proven.EventSignedBy == "" && chain.later(p.Index, signedBy)
	if proven.Cosigned, err = cosigned(p.Checkpoint, o); err != nil {
		return nil, err
	}
	return proven, nil
}

// keyChain is the keys that a proof's key changes lead to.
type keyChain struct {
	trusted []*signing.PublicKey
	changes []signing.KeyChange
}

// followKeys follows a proof's key changes from the trusted keys. They must be one
// chain: a change that comes from nowhere could give the log another key at an index
// than it had.
func followKeys(p *proof.Inclusion, c signing.Checkpoint, keys []*signing.PublicKey) (*keyChain, error) {
	chain := &keyChain{trusted: once(keys)}
	known := map[string]bool{}
	for _, k := range chain.trusted {
		known[string(k.SPKI())] = true
	}
	for _, text := range p.KeyChanges {
		n, err := signing.OpenKeyChange(text)
		if err != nil {
			return nil, err
		}
		if n.Origin != c.Origin || n.Index > c.Size {
			return nil, errors.New("its key changes are of another log, or later than its checkpoint")
		}
		if i := len(chain.changes); i > 0 && !follows(chain.changes[i-1], n) {
			return nil, errors.New("its key changes are not one chain")
		}
		chain.changes = append(chain.changes, n)
		if to := string(n.To.SPKI()); known[string(n.From.SPKI())] && !known[to] {
			known[to] = true
			chain.trusted = append(chain.trusted, n.To)
		}
	}
	return chain, nil
}

// follows reports whether a log can change its key so after another change.
func follows(before, n signing.KeyChange) bool {
	return n.Origin == before.Origin && n.Index > before.Index && n.From.Equal(before.To)
}

// at returns the key that the log had at a leaf, as its key changes say, or nil if
// there are none.
func (k *keyChain) at(index uint64) *signing.PublicKey {
	if len(k.changes) == 0 {
		return nil
	}
	at := k.changes[0].From
	for _, n := range k.changes {
		if index >= n.Index {
			at = n.To
		}
	}
	return at
}

// later reports whether the log took up all of some keys behind a leaf.
func (k *keyChain) later(index uint64, keys []*signing.PublicKey) bool {
	now := k.at(index)
	for _, key := range keys {
		if key.Equal(now) || !slices.ContainsFunc(k.changes, func(n signing.KeyChange) bool { return n.Index > index && n.To.Equal(key) }) {
			return false
		}
	}
	return true
}

// checkEvent checks an event's own signature with the key that the log had at its
// index. A later key must not sign for an earlier one: whoever steals it could.
func (k *keyChain) checkEvent(line segment.EventLine, index uint64) (string, error) {
	at := k.at(index)
	i := slices.IndexFunc(k.trusted, func(key *signing.PublicKey) bool { return key.ID() == line.KeyID })
	switch {
	case at != nil && at.ID() != line.KeyID:
		return "", fmt.Errorf("the event is signed with the key %s, but the log's key was %s at leaf %d", line.KeyID, at.ID(), index)
	case i < 0:
		return "", nil
	case !k.trusted[i].Verify(line.Canonical, line.Signature):
		return "", errors.New("the event's own signature does not fit it")
	}
	return line.KeyID, nil
}

// cosigned returns the names of the witnesses that have cosigned a checkpoint, if they
// are enough.
func cosigned(checkpoint []byte, o ProofOptions) (names []string, err error) {
	for _, w := range o.Witnesses {
		_, err := w.Cosignature(checkpoint)
		switch {
		case err == nil:
			if !slices.Contains(names, w.Name()) { // with another key already
				names = append(names, w.Name())
			}
		case !errors.Is(err, witness.ErrNoCosignature):
			return nil, fmt.Errorf("%w: %w", ErrProofFails, err)
		}
	}
	if len(names) < o.Quorum {
		return nil, fmt.Errorf("%w: %d of the witnesses given have cosigned the checkpoint, but %d are needed", ErrProofFails, len(names), o.Quorum)
	}
	return names, nil
}

// OpenCheckpoint checks the signature of a checkpoint of the log in the root of fsys
// with the trusted keys, and those that the log's key changes lead to. With no keys it
// parses the checkpoint only. The error wraps [ErrWrongKey] if none of the keys has
// signed it.
func OpenCheckpoint(fsys fs.FS, text []byte, keys []*signing.PublicKey) (signing.Checkpoint, error) {
	c, err := signing.ParseCheckpoint(text)
	if err != nil || len(keys) == 0 {
		return c, err
	}
	notes, err := keyChangesFor(fsys, c.Size)
	if err != nil {
		return c, err
	}
	chain, err := followKeys(&proof.Inclusion{KeyChanges: notes}, c, keys)
	if err != nil {
		return c, err
	}
	c, _, err = signing.OpenCheckpoint(text, c.Origin, chain.trusted)
	if errors.Is(err, signing.ErrNoTrustedSignature) {
		return c, fmt.Errorf("%w: the %w", ErrWrongKey, err)
	}
	return c, err
}
