// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
)

// Observer is told what a log does. Its methods are called from several
// goroutines, Committed within the commit, and must be quick.
type Observer interface {
	// Committed: a group of batches has become durable.
	Committed(Commit)
	// Refused: a group of batches was not written.
	Refused(reason Reason, batches, events int)
	// SegmentsChanged: the number of segments, and the bytes they take.
	SegmentsChanged(segments int, bytes int64)
	// FreeSpace: bytes left on the file system, seen before a commit.
	FreeSpace(bytes uint64)
	// Fault: the log cannot be written at present. Called on change only.
	Fault(err error)
	// Healthy: the log can be written again. Called on change only.
	Healthy()
	// WitnessReplied: a witness has been asked to cosign a checkpoint.
	WitnessReplied(cosigning.Reply)
	// Witnessed: a quorum of witnesses has cosigned a checkpoint over so many leaves.
	// Called when they are more than before.
	Witnessed(size uint64)
	// WitnessesFault: a quorum of witnesses does not keep up with the log, or a witness
	// contradicts it; nil: that is over. Called on change only.
	WitnessesFault(err error)
	// StateFault: how far the log has come cannot be kept away from its directory; nil: it
	// can again. Called on change only.
	StateFault(err error)
}

// Commit describes one commit.
type Commit struct {
	// Calls is the number of Append calls that shared the commit.
	Calls int
	// Batches is how many batches those calls brought.
	Batches int
	// Events is the number of events written, the log's own excluded.
	Events int
	// Unsigned is how many of them carry no signature though the scope asks for
	// one.
	Unsigned int
	// Bytes is the number of bytes written to the segment.
	Bytes int64
	// Duration is the time the commit took, SyncDuration the part spent in
	// fsync.
	Duration, SyncDuration time.Duration
	// TreeSize is the number of leaves in the log.
	TreeSize uint64
	// Segment is the name of the active segment, SegmentBytes its size: all of it is
	// durable.
	Segment      string
	SegmentBytes int64
}

type unobserved struct{}

func (unobserved) Committed(Commit)               {}
func (unobserved) Refused(Reason, int, int)       {}
func (unobserved) SegmentsChanged(int, int64)     {}
func (unobserved) FreeSpace(uint64)               {}
func (unobserved) Fault(error)                    {}
func (unobserved) Healthy()                       {}
func (unobserved) WitnessReplied(cosigning.Reply) {}
func (unobserved) Witnessed(uint64)               {}
func (unobserved) WitnessesFault(error)           {}
func (unobserved) StateFault(error)               {}
