// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import "errors"

var (
	// ErrNoLog: the directory holds no segment.
	ErrNoLog = errors.New("there is no audit log here: no file is named audit-….jsonl")
	// ErrNoCheckpoint: nothing has been committed to the log, or nothing of it is there, or nothing
	// that is known to be on stable storage, if that was asked for.
	ErrNoCheckpoint = errors.New("the log holds no checkpoint: nothing has been committed to it yet, or it is damaged: run auditlog verify")
	// ErrDamaged: what the log holds does not lead to its own checkpoint, as package export finds
	// and package proof. "auditlog verify" tells what is wrong with it.
	ErrDamaged = errors.New("the log does not fit its own checkpoint")
)

// errNotDurable is the ErrNoCheckpoint of a log whose only commit may not be on stable storage yet.
var errNotDurable error = notDurable{}

type notDurable struct{}

func (notDurable) Error() string {
	return "the log's only checkpoint is not known to be on stable storage yet: try again in a second, or, if no collector writes to the log, start one, which makes sure of it"
}

func (notDurable) Is(target error) bool { return target == ErrNoCheckpoint }
