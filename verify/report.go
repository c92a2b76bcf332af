// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"time"
)

// Finding is one thing that was found.
type Finding struct {
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
	// Segment is the name of the file, "" if the finding is about the log.
	Segment string `json:"segment"`
	// Line counts from 1 in the uncompressed file; 0 if the finding is about the
	// whole file.
	Line int `json:"line"`
	// LastLine is set if the finding is about the lines from Line to LastLine.
	LastLine int `json:"last_line,omitempty"`
	// Index is the leaf index of the line, as far as it is known.
	Index *uint64 `json:"index"`
	// EventID is the id of the event on the line, as it is in the file but for its
	// length: show it escaped.
	EventID string `json:"event_id"`
	Message string `json:"message"`
}

// Segment is what the report says of one segment.
type Segment struct {
	Name       string `json:"name"`
	FirstIndex uint64 `json:"first_index"`
	// TreeSize and RootHash are of the segment's last checkpoint that counts.
	TreeSize uint64 `json:"tree_size"`
	RootHash []byte `json:"root_hash"`
	Scope    string `json:"scope"`
	// KeyID is the key that the segment is signed with, and Trust why its signatures
	// count: given, introduced (by key changes, from a key given), vouched (by a key
	// given that came later), or unknown.
	KeyID string `json:"key_id"`
	Trust string `json:"trust"`
	// Events counts the segment's events within the time range.
	Events uint64 `json:"events"`
	Bytes  int64  `json:"bytes"`
	// Active says that the writer may still append to it.
	Active bool `json:"active"`
}

// KeptCheckpoint is what the report says of a kept checkpoint.
type KeptCheckpoint struct {
	// Name is that of its [Kept], or its number, counted from 1.
	Name   string `json:"name"`
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	// Extended says that the log extends it; if not, a finding says why.
	Extended bool `json:"extended"`
}

// Witnessed is how far a witness has cosigned a log.
type Witnessed struct {
	Name string `json:"name"`
	// Size is that of the newest tree of the log that the witness has cosigned, as far
	// as the log and the checkpoints kept show; 0 if it has cosigned none.
	Size uint64 `json:"size"`
	// Time is when it did, by the witness's clock; nil if that time cannot be.
	Time *time.Time `json:"time"`
}

// The verdicts.
const (
	// VerdictOK: all that was asked for could be checked, and nothing is wrong.
	VerdictOK = "ok"
	// VerdictUnchecked: nothing is known to be wrong, but something could not be checked.
	VerdictUnchecked = "unchecked"
	// VerdictTampering: the log is not what its writer signed.
	VerdictTampering = "tampering"
)

func verdictOf(counts map[Severity]int) string {
	switch {
	case counts[Tampering] > 0:
		return VerdictTampering
	case counts[Unchecked] > 0:
		return VerdictUnchecked
	default:
		return VerdictOK
	}
}

// Report is the result of checking a log. Events are counted if they are within
// the time range asked for; findings are always about the whole log.
type Report struct {
	// TotalEvents counts event lines, the log's own included.
	TotalEvents uint64 `json:"total_events"`
	// VerifiedEvents are unchanged and covered by a signed checkpoint, or, where a
	// change before them in the segment keeps the checkpoint from fitting, by a
	// signature of their own.
	VerifiedEvents uint64 `json:"verified_events"`
	FailedEvents   uint64 `json:"failed_events"`
	UnsignedEvents uint64 `json:"unsigned_events"`
	// OwnEvents counts those that the log wrote of itself.
	OwnEvents uint64 `json:"own_events"`
	// InRangeByEventTime are in the time range asked for by their own time,
	// InRangeByCommitTime by the time of their commit only.
	InRangeByEventTime  uint64 `json:"in_range_by_event_time"`
	InRangeByCommitTime uint64 `json:"in_range_by_commit_time"`
	// Withheld counts the values of these events of which only a commitment is there, Opened
	// those whose opening is there and fits.
	Withheld uint64 `json:"withheld"`
	Opened   uint64 `json:"opened"`
	// Verdict is [VerdictOK], [VerdictUnchecked] or [VerdictTampering].
	Verdict           string `json:"verdict"`
	TamperingDetected bool   `json:"tampering_detected"`
	// FailedEventIDs lists the ids of failed events that have one, up to
	// Options.MaxFindings.
	FailedEventIDs []string `json:"failed_event_ids"`
	// SelfAttested says that no key was given, so that the log was checked with the
	// keys it names itself.
	SelfAttested bool   `json:"self_attested"`
	Origin       string `json:"origin"`
	// Log is the log's id.
	Log []byte `json:"log"`
	// PrunedBefore is the index of the first leaf that is left if retention has deleted
	// those before it, as the log says; 0 if none are deleted.
	PrunedBefore uint64 `json:"pruned_before"`
	// AsOf is the size as of which the log was checked, if it is shorter than it has been
	// since, as the caller knows; 0 if it is not.
	AsOf uint64 `json:"as_of"`
	// TrustedFrom is the index of the leaf from which on the log is signed with keys
	// given or introduced; nil if it never is.
	TrustedFrom *uint64 `json:"trusted_from"`
	TreeSize    uint64  `json:"tree_size"`
	RootHash    []byte  `json:"root_hash"`
	// KeyIDs are the keys that signed the log's checkpoints.
	KeyIDs []string `json:"key_ids"`
	// WitnessedSize is the size of the newest tree that a quorum of the witnesses given
	// cosignature for, 0 if none does. Witnesses are how far each is.
	WitnessedSize uint64      `json:"witnessed_size"`
	Witnesses     []Witnessed `json:"witnesses"`
	// KeptSize is the size of the largest tree that a kept checkpoint or a receipt given is
	// of, and that the log extends; 0 if there is none.
	KeptSize uint64 `json:"kept_size"`
	// EndChecked says that a kept checkpoint, a receipt, a quorum of witnesses or
	// Options.AsOf shows how far the log had come at some time, and that it is complete from
	// PrunedBefore up to there. Whether newer leaves have been cut off is known only as far as that.
	EndChecked bool `json:"end_checked"`
	// TornTail says that lines follow the last checkpoint, which no checkpoint covers.
	TornTail bool `json:"torn_tail"`
	// Checkpoints are what became of the kept checkpoints that were given, in their order.
	Checkpoints []KeptCheckpoint `json:"checkpoints"`
	// Receipts is how many receipts were given, ReceiptsHonored how many of them are of
	// checkpoints that the log extends.
	Receipts        int `json:"receipts"`
	ReceiptsHonored int `json:"receipts_honored"`
	// FirstEvent and LastEvent are the earliest and the latest time of an event.
	FirstEvent *time.Time `json:"first_event,omitempty"`
	LastEvent  *time.Time `json:"last_event,omitempty"`
	// LastCommit is when the last commit was made, by the writer's clock.
	LastCommit *time.Time `json:"last_commit,omitempty"`
	Segments   []Segment  `json:"segments"`
	// Findings are about the log first, then about each segment by line.
	Findings []Finding `json:"findings"`
	// FindingCounts counts all findings by severity, FindingsOmitted those that
	// Options.MaxFindings left out of Findings, the least severe first.
	FindingCounts   map[Severity]int `json:"finding_counts"`
	FindingsOmitted int              `json:"findings_omitted"`

	// Partition says that a header calls the log a partition of an exporter's.
	Partition bool `json:"-"`
}
