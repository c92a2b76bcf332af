// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/sequence"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// Options say what becomes of requests. All of them but Receipts must be given.
type Options struct {
	Layout Layout
	// Mapper makes events of records.
	Mapper *mapping.Mapper
	Limits Limits
	// WriteUnsigned has events written, and marked so, that cannot be signed. Otherwise the
	// request is refused.
	WriteUnsigned bool
	// RequireProof refuses each record without a good proof, if proofs are checked.
	RequireProof bool
	// MaxRemembered is how many events each log remembers by the ids of their records, and
	// MaxAge for how long; 0 remembers none, and sets no limit.
	MaxRemembered int
	MaxAge        time.Duration
	// RecordConflicts has an event written that has the id of another one, and the log say so.
	// Otherwise its record is refused.
	RecordConflicts bool
	// MaxStreams is how many producers' streams each log follows; 0 follows none.
	MaxStreams int
	Receipts   Receipts
	// ReturnRest has an error hold the records that partitions did not take (consumererror.Logs),
	// if others took theirs. It is for a caller that tries again just these.
	ReturnRest bool
	Observer   Observer
	// Warnings is for what may be said of each request, and is not worth that many lines.
	Logger, Warnings *zap.Logger
}

// Limits bound what requests can have the exporter hold in memory and write.
type Limits struct {
	// MaxRecords is how many records a request may bring.
	MaxRecords int
	// MaxBytes is how large the lines may be that a request adds to logs, and MaxInFlightBytes
	// those of all requests that have no answer yet.
	MaxBytes, MaxInFlightBytes int64
	// ReplaceOversized writes an event in place of one whose line would be too long. Otherwise
	// the record is refused.
	ReplaceOversized bool
}

// Receipts say where receipts are written; nowhere if Directory is empty.
type Receipts struct {
	// Directory holds the files of receipts, in a directory for each partition if there are
	// some.
	Directory string
	// MaxFileBytes is how large a file may get, MaxFiles how many are kept; 0 keeps all.
	MaxFileBytes int64
	MaxFiles     int
}

// Observer is told what becomes of requests. Its methods are called from several goroutines
// and must be quick.
type Observer interface {
	// Log returns the observer of a partition's log, or that of the only log, whose name is
	// empty.
	Log(partition string) LogObserver
	// Refused: a request with so many records was refused as a whole.
	Refused(reason string, records int)
	// Partial: some records of a request are in the log, and others are not.
	Partial()
	// Partitions: so many values have a partition of their own.
	Partitions(n int)
	// Overflowed: so many records went to the partition for values that have none.
	Overflowed(records int)
	// Signed: events can be signed; or cannot, for a reason.
	Signed(err error)
}

// LogObserver is told what becomes of one log, and of the shares of requests that belong in
// it.
type LogObserver interface {
	rotation.Observer
	issuer.Observer
	// ShareRefused: the log did not take a share with so many records.
	ShareRefused(reason string, records int)
	// ShareWritten: the log took a share.
	ShareWritten(Written)
	// Repeats: so many events were not written, because the log has them, and so many were
	// that have the ids of others.
	Repeats(repeats, conflicts int)
	// Sequences: so many records did not fit in their streams, by kind, and so many streams
	// were forgotten.
	Sequences(found map[sequence.Kind]int64, forgotten int)
}

// Written tells of a share that a log took.
type Written struct {
	// Unmapped is the number of events in which defaults stand in.
	Unmapped int64
	// Proofs counts records by what came of their proofs; it is empty if they are not checked.
	Proofs map[ingress.Status]int64
	// Refused counts records that were refused one by one, by reason.
	Refused map[string]int
}
