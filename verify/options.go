// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/kept"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Options say what to trust and what to count.
type Options struct {
	// Keys are the trusted public keys. With none, the keys that the log names are
	// used, which shows that it is consistent, not who wrote it.
	//
	// Where the log changes its key, the old key introduces the new one: trusting the
	// first is enough. Trusting a later one only, what came before it is checked with
	// the keys that it succeeded; the report says where trust begins.
	//
	// They are the keys of events, the first that a header names. A key that signs
	// checkpoints next to that one does not count here.
	Keys []*signing.PublicKey
	// CheckpointKeys sign checkpoints next to a key of events. They never make a log
	// trusted. From the first segment on that names such a key, it must sign every
	// checkpoint, unless it leaves by a key change that it has signed itself, or by its
	// bounds in Trust.
	CheckpointKeys []*signing.PublicKey
	// Trust are more trusted keys, with what they are for and what bounds them. Leaves that
	// a key signed outside its bounds, or once it was revoked, are findings; so is a log
	// that has not got as far as their indices say.
	Trust trust.Keys
	// AsOf says that the log is a copy of the time when it had so many leaves: it must have
	// those, and not as many as Trust says. nil says nothing of the kind.
	AsOf *uint64
	// Origin is the origin that the log must have; "" for any.
	Origin string
	// Directory is the name of the log's directory, with which the origin of a partition
	// must end: copies may have another, which is said. "" if it is not known.
	Directory string
	// Placed says that Directory is the name that the writer has given it, next to other
	// logs: another one is tampering, and indices in Trust, which are of one log, accuse this
	// one only if the caller asks for it by its Origin.
	Placed bool
	// Since and Until restrict which events are counted: those whose own time, or their
	// commit's, is in range, Since ≤ time < Until. A zero time does not restrict.
	Since, Until time.Time
	// Checkpoints are checkpoints kept elsewhere: the log must extend each of them.
	Checkpoints []Kept
	// RequireCheckpoint asks for a kept checkpoint, a receipt or a quorum of witnesses that
	// shows how far the log had come: without one its end is not checked.
	RequireCheckpoint bool
	// Receipts are receipts that producers hold: the log must honor each. It may be nil.
	Receipts *receipt.Set
	// Witnesses are trusted to have followed the log, Quorum is how many of them must
	// have cosigned one of its checkpoints; 0 means all. Keys of the same name are of one
	// witness, which counts once.
	Witnesses []*witness.Key
	Quorum    int
	// Jobs is how many goroutines check at once; 0 means one for each CPU.
	Jobs int
	// Progress is called now and then, from several goroutines, with the number of
	// stored bytes checked so far and in all. It may be nil.
	Progress func(done, total int64)
	// Now is the clock here, against which the log's promises and times are held; nil means
	// time.Now.
	Now func() time.Time
	// CompleteFrom demands every leaf from an index, or a time, on; nil demands none.
	CompleteFrom *trust.Point
	// MaxFindings bounds the findings and the failed events' ids in the report; all
	// are counted. 0 means 1000.
	MaxFindings int
	// Trees are for package fleet: further trees to compare the log with, whoever signed them.
	// Others leave it nil.
	Trees []*kept.Tree
}

// Kept is a checkpoint that the caller has kept apart from the log, as a signed note.
type Kept struct {
	// Name is what findings call it, such as the name of its file; "" for its number in
	// [Options.Checkpoints], counted from 1.
	Name string
	// Note is the note with its signatures, cosignatures of witnesses among them.
	Note []byte
}

// Errors that keep a log from being checked.
var (
	// ErrNoLog: the directory holds no segment.
	ErrNoLog = logdir.ErrNoLog
	// ErrWrongKey: the log is signed, but with none of the keys given.
	ErrWrongKey = signers.ErrWrongKey
	// ErrWrongOrigin: the log is another than the one asked for.
	ErrWrongOrigin = signers.ErrWrongOrigin
	// ErrNoEventKey: keys are given, but none to check events with.
	ErrNoEventKey = signers.ErrNoEventKey
	// ErrChanging: segments came and went faster than they could be read.
	ErrChanging = errors.New("the log kept changing while it was being checked: try again, or check a copy")
)

// trusted is what the caller trusts.
func (o *Options) trusted() *signers.Trusted {
	return &signers.Trusted{Keys: o.Keys, CheckpointKeys: o.CheckpointKeys, Bounds: o.Trust, AsOf: o.AsOf, Origin: o.Origin}
}
