// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logevent

import "slices"

// Action is what happened to a log.
type Action string

// The actions of version 1 of the format.
const (
	// Opened: a writer has started.
	Opened Action = "opened"
	// Closed: a writer has ended, after a while without events.
	Closed Action = "closed"
	// Rotated: this segment follows another.
	Rotated Action = "rotated"
	// KeyChanged: this segment has other keys, another scope or other features.
	KeyChanged Action = "key_changed"
	// Recovered: bytes after the last checkpoint were set aside or cut off.
	Recovered Action = "recovered"
	// Damaged: acknowledged lines are gone, or a file is not what the writer wrote.
	Damaged Action = "damaged"
	// Pruned: retention is about to delete everything before a leaf.
	Pruned Action = "pruned"
	// Witnessed: witnesses have cosigned a checkpoint of this log.
	Witnessed Action = "witnessed"
	// Contradicted: a witness has cosigned a tree that this log does not extend.
	Contradicted Action = "contradicted"
	// Resumed: the log can be written again after calls were refused.
	Resumed Action = "resumed"
	// SigningDegraded and SigningRestored: events are, and are no longer, written unsigned.
	SigningDegraded Action = "signing_degraded"
	SigningRestored Action = "signing_restored"
	// SequenceGap to SequenceMalformed: a record does not fit in its producer's stream.
	SequenceGap        Action = "sequence_gap"
	SequenceRepeat     Action = "sequence_repeat"
	SequenceBrokenLink Action = "sequence_broken_link"
	SequenceAfterEnd   Action = "sequence_after_end"
	SequenceMalformed  Action = "sequence_malformed"
	// SequenceSuppressed counts such findings that have no event of their own.
	SequenceSuppressed Action = "sequence_suppressed"
	// IDConflict: an event of the same commit has the id of another one.
	IDConflict Action = "id_conflict"
	// Refused: a record of a call was not written, and never will be.
	Refused Action = "refused"
	// RefusedSuppressed counts such records that have no event of their own.
	RefusedSuppressed Action = "refused_suppressed"
	// ClockJumped: the writer's clock was set, or it did not run for long.
	ClockJumped Action = "clock_jumped"
	// StateAdopted: the writer keeps how far its logs have come, and knew nothing of this one.
	StateAdopted Action = "state_adopted"
)

var actions = []Action{
	Opened, Closed, Rotated, KeyChanged, Recovered, Damaged, Pruned, Witnessed, Contradicted, Resumed, SigningDegraded, SigningRestored,
	SequenceGap, SequenceRepeat, SequenceBrokenLink, SequenceAfterEnd, SequenceMalformed, SequenceSuppressed,
	IDConflict, Refused, RefusedSuppressed, ClockJumped, StateAdopted,
}

// Known reports whether this version of the format has the action.
func (a Action) Known() bool { return slices.Contains(actions, a) }
