// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// A segment is signed with one key from its header to its end. Keys, scope and features
// are changed together with the segment, in one commit: the new segment's header has them,
// its event key_changed holds a note with which the old key introduces that header, and if
// the key is another the commit's checkpoint is signed by both. A key that signed
// checkpoints, too, and is named no more signs the note as well.

// keyChange is a header that the key of the segment before introduces.
type keyChange struct {
	// signer is the key of the segment. previous is that of the segment before, if it is
	// another.
	signer, previous *signing.Signer
	note             []byte
	// said is what the log says of it in the same commit.
	said logevent.Event
}

// changesKeys reports whether a header differs from one before it in what a key change
// introduces.
func changesKeys(before, h *segment.Header) bool {
	return !sameKeys(before.Keys, h.Keys) || before.Scope != h.Scope || !slices.Equal(before.Features, h.Features)
}

// signKeyChange has the current key introduce the header of a segment that signer signs. root
// is the tree's before the segment, leaf the header's leaf hash. Nothing of the keyring changes:
// that is for committed.
func (k *keyring) signKeyChange(before, h *segment.Header, signer *signing.Signer, root, leaf merkle.Hash) (*keyChange, error) {
	leaving, err := k.leaving(before.Keys, h.Keys)
	if err != nil {
		return nil, err
	}
	current := k.current()
	c, reason := &keyChange{signer: signer}, "segment"
	if signer == current || k.successor != nil {
		reason = "configuration"
	}
	if signer != current {
		c.previous = current
	}
	c.note, err = signing.SignKeyChange(signing.KeyChange{
		Origin: h.Origin, Log: h.Log, Index: h.FirstIndex, Root: root, Header: leaf, Retain: h.Retain,
	}, current, signer, leaving...)
	if err != nil {
		return nil, err
	}
	c.said = logevent.Event{
		Action: logevent.KeyChanged, Reason: reason, KeyChange: string(c.note),
		KeyID: signer.Public().ID(), PreviousKeyID: current.Public().ID(),
	}
	return c, nil
}

// canFollow fails if no segment with the configured keys can follow one with these.
func (k *keyring) canFollow(keys []segline.Key) error {
	_, err := k.leaving(keys, k.headerKeys(k.configured))
	return err
}

// leaving returns the signers of the checkpoint keys of the segment before that the next does
// not name: each must sign the note with which it leaves.
func (k *keyring) leaving(before, next []segline.Key) (signers []*signing.Signer, err error) {
	for _, one := range before[1:] {
		if slices.ContainsFunc(next, func(other segline.Key) bool { return bytes.Equal(other.PublicKey, one.PublicKey) }) {
			continue
		}
		s := k.previousCheckpoint
		if s == nil || !bytes.Equal(s.Public().SPKI(), one.PublicKey) {
			return nil, fmt.Errorf("%w: the key %s has signed the log's checkpoints so far, and the configuration names it no more: give it as the previous checkpoint key for the next start, or as the checkpoint key again; if its private key is lost, begin a new log elsewhere", ErrCheckpointKeyLeaves, one.ID)
		}
		signers = append(signers, s)
	}
	return signers, nil
}
