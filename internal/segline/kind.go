// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segline

import (
	"errors"
	"fmt"
)

// Kind is what a line is, told by its first bytes alone: the name of its first member.
type Kind string

// The kinds of lines.
const (
	KindUnknown    Kind = ""
	KindHeader     Kind = "segment"
	KindEvent      Kind = "event"
	KindCommit     Kind = "commit"
	KindCheckpoint Kind = "checkpoint"
)

// What a line of each kind starts with.
const (
	HeaderStart     = `{"segment":`
	EventStart      = `{"event":`
	CommitStart     = `{"commit":`
	CheckpointStart = `{"checkpoint":`
)

var (
	// ErrPartial: the last line has no LF.
	ErrPartial = errors.New("the last line is cut off")
	// ErrTooLong: a line is longer than [MaxBytes].
	ErrTooLong = fmt.Errorf("a line is longer than %d bytes", MaxBytes)
)
