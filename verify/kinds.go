// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

// Severity says what a finding means for the log's integrity.
type Severity string

// The severities.
const (
	// Tampering: the log is not what its writer signed.
	Tampering Severity = "tampering"
	// Unchecked: something that was asked for could not be checked, and nothing says that
	// the log is not what its writer signed.
	Unchecked Severity = "unchecked"
	// Warning: no sign of tampering, but somebody should know.
	Warning Severity = "warning"
	// Info: as it should be, and worth a word.
	Info Severity = "info"
)

// Kind says what was found.
//
// The kinds that can decide a verdict are constants. The others only warn or inform:
//   - as_of: the log is taken to be a copy from before it got as far as the caller knows.
//   - begun_anew: the log says that it was begun in the place of another one.
//   - checkpoint_key_begins: a key that is trusted for checkpoints signs them from a later leaf
//     on.
//   - checkpoint_missing: the log's file checkpoint is not there, or empty.
//   - compression_leftover: a segment is there both plain and compressed.
//   - damaged: the writer found that acknowledged lines were gone.
//   - duplicate_event_id: two events have the same id.
//   - duplicates_unchecked: there are too many events to compare all ids.
//   - pruned: retention has deleted segments, as the log itself says.
//   - recovered: the writer set aside or cut off what was never acknowledged.
//   - time_in_future: a commit, a header or a cosignature says that it is later than now.
//   - time_went_back: a commit says that it is earlier than the one before, or a cosignature that
//     it is from long before what it covers.
//   - torn_tail: bytes follow the newest checkpoint: a write in progress, or what a crash left.
//   - trust_begins: the keys given sign the log from a later leaf on, and cover only as a whole what came
//     before it.
//   - unknown_action: the log says something of itself that this version does not know.
//   - unknown_file: the directory holds a file that the format does not know.
//
// Later versions may have more kinds: go by the severity where a kind is not known.
type Kind string

// The kinds of findings that mean tampering, or that something could not be checked.
const (
	// EventSignatureInvalid: the event's own signature does not fit it.
	EventSignatureInvalid Kind = "event_signature_invalid"
	// EventMalformed: a line is not of a known kind or not in the form it must
	// have.
	EventMalformed Kind = "event_malformed"
	// UnsignedEvent: an event has no signature of its own though the scope asks
	// for one: a warning if the line says that signing failed.
	UnsignedEvent Kind = "unsigned_event"
	// RootMismatch: a signed checkpoint does not fit the lines it covers.
	RootMismatch Kind = "root_mismatch"
	// LineInserted: a signed checkpoint fits once this line is left out, or the line
	// repeats a checkpoint.
	LineInserted Kind = "line_inserted"
	// LinesSwapped: a signed checkpoint fits once two lines are swapped.
	LinesSwapped Kind = "lines_swapped"
	// CheckpointMalformed: a checkpoint line is not in the form it must have.
	CheckpointMalformed Kind = "checkpoint_malformed"
	// CheckpointSignatureInvalid: a checkpoint has no valid signature.
	CheckpointSignatureInvalid Kind = "checkpoint_signature_invalid"
	// UnknownKey: a signature by a key that is not trusted.
	UnknownKey Kind = "unknown_key"
	// KeyChangeInvalid: the file of key changes, or a segment's, says what the log
	// does not.
	KeyChangeInvalid Kind = "key_change_invalid"
	// KeyRevoked: something was signed with a key after it was revoked.
	KeyRevoked Kind = "key_revoked"
	// KeyNotValid: something was signed with a key before or after the time that it is
	// valid for.
	KeyNotValid Kind = "key_not_valid"
	// HeaderInvalid: a segment does not begin as its name and the log demand.
	HeaderInvalid Kind = "header_invalid"
	// SegmentMissing: leaves that the log had are in no segment.
	SegmentMissing Kind = "segment_missing"
	// SegmentOverlap: leaves are in more than one segment.
	SegmentOverlap Kind = "segment_overlap"
	// SegmentUnreadable: a file with a segment's name is not a regular file, is compressed in a
	// way that is not read here (which is unchecked), or is
	// damaged as a whole.
	SegmentUnreadable Kind = "segment_unreadable"
	// SegmentTruncated: a sealed segment does not end in a checkpoint.
	SegmentTruncated Kind = "segment_truncated"
	// EndUnchecked: nothing that was kept elsewhere shows how far the log had come.
	EndUnchecked Kind = "end_unchecked"
	// Rollback: the log does not extend a checkpoint that was kept, or that witnesses
	// have cosigned.
	Rollback Kind = "rollback"
	// ReceiptUnfulfilled: the log is not the one whose checkpoint a receipt holds.
	ReceiptUnfulfilled Kind = "receipt_unfulfilled"
	// ReceiptInvalid: a receipt does not prove what it says, or names another event than
	// its leaf is.
	ReceiptInvalid Kind = "receipt_invalid"
	// PrunedRangesInvalid: the file that stands for pruned segments does not lead to the
	// first one there is.
	PrunedRangesInvalid Kind = "pruned_ranges_invalid"
	// NotWitnessed: witnesses have not cosigned the log, or not its end yet.
	NotWitnessed Kind = "not_witnessed"
	// CosignatureInvalid: a cosignature bears the name of a witness that did not make it.
	CosignatureInvalid Kind = "cosignature_invalid"
	// CheckpointUnchecked: a kept checkpoint cannot be compared with the log.
	CheckpointUnchecked Kind = "checkpoint_unchecked"
	// CommitInvalid: a commit line and the checkpoint over it do not stand together, or the
	// commit's number or ids are not those of the log.
	CommitInvalid Kind = "commit_invalid"
	// RetentionBroken: leaves have been deleted that were to be kept, as the log had promised.
	RetentionBroken Kind = "retention_broken"
	// Incomplete: leaves are not there that the caller wants to be.
	Incomplete Kind = "incomplete"
	// NothingChecked: no checkpoint is signed by a trusted key.
	NothingChecked Kind = "nothing_checked"
	// NewerVersion: a part of the log was written by a newer version, and checked as far as
	// this one can.
	NewerVersion Kind = "newer_version"
	// ValueInvalid: the opening of a withheld value does not fit.
	ValueInvalid Kind = "value_invalid"
	// ForeignCompression: a segment was compressed by something else than the exporter. What it
	// holds has been checked.
	ForeignCompression Kind = "foreign_compression"
	// CheckpointKeyMissing: a key that is trusted for checkpoints does not sign them, though
	// it had begun to, or signs none at all.
	CheckpointKeyMissing Kind = "checkpoint_key_missing"
	// RevokedAlone: only a revoked key has signed the log's end.
	RevokedAlone Kind = "revoked_alone"
	// WrongDirectory: a log is not in the directory that its origin names.
	WrongDirectory Kind = "wrong_directory"
)

// The kinds of warnings and information, which [Kind] describes.
const (
	kindDuplicateEventID    Kind = "duplicate_event_id"
	kindDuplicatesUnchecked Kind = "duplicates_unchecked"
	kindTrustBegins         Kind = "trust_begins"
	kindTornTail            Kind = "torn_tail"
	kindCheckpointMissing   Kind = "checkpoint_missing"
	kindPruned              Kind = "pruned"
	kindRecovered           Kind = "recovered"
	kindDamaged             Kind = "damaged"
	kindTimeWentBack        Kind = "time_went_back"
	kindTimeInFuture        Kind = "time_in_future"
	kindUnknownAction       Kind = "unknown_action"
	kindUnknownFile         Kind = "unknown_file"
	kindCompressionLeftover Kind = "compression_leftover"
	kindAsOf                Kind = "as_of"
	kindCheckpointKeyBegins Kind = "checkpoint_key_begins"
	kindBegunAnew           Kind = "begun_anew"
)
