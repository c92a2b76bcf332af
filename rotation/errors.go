// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"syscall"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
)

// Reason says, in one word fit for a metric, why the log refused a call.
type Reason string

// The reasons. All may pass: the call can be repeated.
const (
	ReasonDiskFull     Reason = "disk_full"
	ReasonIO           Reason = "io"
	ReasonSyncFailed   Reason = "sync_failed"
	ReasonSigning      Reason = "signing"
	ReasonInterference Reason = "interference"
	ReasonClosed       Reason = "closed"
	// ReasonRetentionHeld: the limits of retention are reached, and what they would have
	// deleted is to be kept longer (Retention.MinAge).
	ReasonRetentionHeld Reason = "retention_held"
)

// Error is what [Log.Append] returns: why nothing was written.
type Error struct {
	Reason Reason
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

var (
	// ErrClosed: the log has been closed.
	ErrClosed = errors.New("the audit log is closed")
	// ErrLocked: another process, or another Log, writes to the directory.
	ErrLocked = durable.ErrLocked
	// ErrWrongKey: the log was written with another key than the one given.
	ErrWrongKey = errors.New("the signing key does not belong to this log")
	// ErrCheckpointKeyLeaves: a key that signs the log's checkpoints cannot be taken out
	// without its signature.
	ErrCheckpointKeyLeaves = errors.New("a checkpoint key leaves the log only by a note that it signs itself")
	// ErrDamaged: the log fails its own check, so writing on would bury the
	// evidence.
	ErrDamaged = errors.New("the log fails its own check")
	// ErrRolledBack: the log is shorter than a checkpoint it has signed.
	ErrRolledBack = errors.New("the log is shorter than its own newest checkpoint")
)

// fromSystem reports whether an error comes from the operating system, and not from
// what was read.
func fromSystem(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno)
}

// fail gives an I/O error its reason.
func fail(reason Reason, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		reason = ReasonDiskFull
	}
	return &Error{Reason: reason, Err: err}
}

// reasonOf returns the reason of an error made by fail.
func reasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ReasonIO
}
