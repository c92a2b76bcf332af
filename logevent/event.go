// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logevent

import (
	"time"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Event is what a log says of itself in one event. Which fields are set depends on the action;
// a field that is zero is not in the event.
type Event struct {
	Action Action
	// Before is the leaf before which retention deletes everything.
	Before uint64
	// Checkpoint is a signed note with the cosignatures of witnesses, Proof the consistency
	// proof from its tree on, of at most 63 hashes.
	Checkpoint string
	Proof      []merkle.Hash
	// KeyChange is the signed note that introduces the segment.
	KeyChange            string
	KeyID, PreviousKeyID string
	// Previous is the segment before, Segments are those that retention deletes.
	Previous *Segment
	Segments []Segment
	Conflict *Conflict
	Refused  *Refusal
	Sequence *Sequence
	// RootHash is the root of the tree of Before leaves.
	RootHash merkle.Hash
	// Size is a number of leaves or, of what was set aside, of bytes; SHA256 is the hash of
	// those bytes, in hex.
	Size   uint64
	SHA256 string
	// Until is when a hold on retention ends.
	Until   time.Time
	Version string
	// Witness is the name of a witness.
	Witness string
	// Segment and File name files of the log's directory. Reason is a word, Detail a
	// sentence for people.
	Segment, File, Reason, Detail string
}

// Segment says which leaves a sealed segment holds.
type Segment struct {
	// FirstIndex is the segment's first leaf, TreeSize the size of the tree after its last,
	// and RootHash that tree's root.
	FirstIndex, TreeSize uint64
	RootHash             merkle.Hash
	// Segment is the file's name without its compression.
	Segment string
	// Range holds the roots of the maximal perfect subtrees of the segment's leaves, from left
	// to right: at most 128.
	Range []merkle.Hash
	// FirstTime and LastTime are the earliest and the latest time of its events.
	FirstTime, LastTime time.Time
}

const (
	// maxRange is the largest number of subtrees that the leaves of a segment form.
	maxRange = 128
	// maxProof is the largest number of hashes of a consistency proof.
	maxProof = 63
)

// Conflict is about an event of the same commit that has the id of another one.
type Conflict struct {
	EventID string
	// ContentHash is the hash of what the new event says, LoggedHash that of the other, in hex.
	ContentHash, LoggedHash string
}

// Refusal is about a record that was not written, or about Count of them.
type Refusal struct {
	Count           uint64
	EventID, Reason string
	// Record says where the record stood in its call.
	Record string
	// SHA256 is the hash of the event that would have been written, in hex.
	SHA256 string
}

// Sequence is about a record that does not fit in its producer's stream, or about Count of
// them. What is not known is zero.
type Sequence struct {
	Count, Expected, Missing, Number uint64
	Producer, RecordID, Stream       string
}
