// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// standing is why a segment's signatures count.
type standing uint8

const (
	// standingUntrusted: nothing leads from a trusted key to the segment's.
	standingUntrusted standing = iota
	// standingVouched: a trusted key signs the log from a later leaf on, and so all that came
	// before it as a whole; the segment's own key is one that it succeeded.
	standingSucceeded
	// standingIntroduced: a chain of key changes leads from a trusted key to the segment's.
	standingIntroduced
	// standingTrusted: the segment is signed with a key that the caller trusts.
	standingTrusted
)

func (s standing) String() string {
	return [...]string{standingUntrusted: "unknown", standingSucceeded: "vouched", standingIntroduced: "introduced", standingTrusted: "given"}[s]
}

// eventLog is the log that an event's signature is for.
type eventLog struct {
	origin string
	id     signing.LogID
}

// authority says whose signatures count in a segment. It is not changed once
// segments are being checked.
type authority struct {
	standing standing
	// keys are those that the header names. All of them sign every checkpoint, the
	// first one events, and for its sake alone the segment counts. If the header cannot be
	// read they are those that sign the events of the segments next to it, and any of them
	// will do.
	keys   []*signing.PublicKey
	header *segment.Header
	// newer says that a newer version has written it, and how that shows; nil if none has.
	newer error
	// headerLeaf is its leaf hash.
	headerLeaf merkle.Hash
	// log is the log for which the events are signed, as the header says, or, if it cannot
	// be read, that of a segment next to it; nil if none can be.
	log *eventLog
	// checkpointKeys are those whose signatures a checkpoint may carry.
	checkpointKeys []*signing.PublicKey
	// previous is the key of the segment before, if the key was changed: it signs the
	// segment's first checkpoint, too.
	previous *signing.PublicKey
	// change is the note about that, as the segment has it.
	change *signing.KeyChange
	// trustedSigners is the key for whose sake the segment counts, the signer. If the header cannot
	// be read it is any.
	trustedSigners []boundKey
	// otherSigners are the other keys of the segment that the caller knows bounds of.
	otherSigners []boundKey
	// wrong says what is wrong with how the segment's key came about.
	wrong string
}

// signer returns the key that signs the segment's events, or nil.
func (a *authority) signer() *signing.PublicKey {
	if a.header == nil {
		return nil
	}
	return a.keys[0]
}

// key returns the key that may have made an event's signature, or nil.
func (a *authority) key(id string) *signing.PublicKey {
	if a.standing == standingUntrusted {
		return nil
	}
	for i, k := range a.keys {
		if k.ID() == id && (i == 0 || a.header == nil) {
			return k
		}
	}
	return nil
}

// bound reports whether the keys for whose sake the segment counts have bounds.
func (a *authority) bound() bool {
	return slices.ContainsFunc(a.trustedSigners, func(k boundKey) bool { return k.bounds != nil })
}

// sound reports whether the keys for whose sake the segment counts could sign its header.
// If not, they lend no trust to the segments around it.
func (a *authority) sound() bool {
	kind, _ := a.objection(a.header.FirstIndex, a.header.Created)
	return a.standing > standingUntrusted && kind == ""
}

// objection says why the keys for whose sake the segment counts may not have signed a leaf,
// or "" if one of them may.
func (a *authority) objection(index uint64, at time.Time) (kind Kind, why string) {
	for _, k := range a.trustedSigners {
		kind, why = k.objection(index, at)
		if kind == "" {
			return "", ""
		}
	}
	return kind, why
}

// rootBefore returns the root of the tree before the segment, as its header says.
func (a *authority) rootBefore() [32]byte {
	tree, err := merkle.NewFrontier(a.header.FirstIndex, a.header.Frontier)
	if err != nil {
		return [32]byte{} // ParseHeader has checked it
	}
	return tree.Root()
}

// misfit says in what a key change is not that which introduces the segment, or "".
func (a *authority) misfit(n *signing.KeyChange, first uint64) string {
	switch h := a.header; {
	case n.Origin != h.Origin || n.Log != h.Log:
		return "log"
	case n.Index != first || n.Root != a.rootBefore():
		return "place"
	case !n.To.Equal(a.signer()):
		return "key"
	case n.Header != a.headerLeaf:
		return "header"
	case !n.Retain.Equal(h.Retain) && a.newer == nil:
		return "promise to retain leaves than its header's"
	default:
		return ""
	}
}
