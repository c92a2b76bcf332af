// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"syscall"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
)

// Reason says, in one word fit for a metric, why the log refused a call. All may pass: the call
// can be repeated.
//
//   - disk_full: the file system has no room, or less than Options.MinFreeBytes.
//   - io: a file cannot be read or written.
//   - sync_failed: fsync failed, so that what is on the disk has to be read again first.
//   - signing: a key cannot sign, or may not (Options.Permit).
//   - interference: somebody else has changed the directory.
//   - retention_held: the limits of retention are reached, and what they would have deleted is to
//     be kept longer (Retention.MinAge).
//   - closed: the log has been closed.
type Reason string

const (
	reasonDiskFull      Reason = "disk_full"
	reasonIO            Reason = "io"
	reasonSyncFailed    Reason = "sync_failed"
	reasonSigning       Reason = "signing"
	reasonInterference  Reason = "interference"
	reasonClosed        Reason = "closed"
	reasonRetentionHeld Reason = "retention_held"
)

// Error is what [Log.Append] returns: why nothing was written.
type Error struct {
	Reason Reason
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Errors of [Open] that a caller may want to tell apart.
var (
	// ErrLocked: another process, or another Log, writes to the directory.
	ErrLocked = durable.ErrLocked
	// ErrDamaged: the log fails its own check, so writing on would bury the
	// evidence.
	ErrDamaged = errors.New("the log fails its own check")
	// ErrCheckpointKeyLeaves: a key that signs the log's checkpoints cannot be taken out
	// without its signature.
	ErrCheckpointKeyLeaves = errors.New("a checkpoint key leaves the log only by a note that it signs itself")
)

var (
	errClosed = errors.New("the audit log is closed")
	// errWrongKey: the log was written with another key than the one given.
	errWrongKey = errors.New("the signing key does not belong to this log")
	// errRolledBack: the log is shorter than a checkpoint it has signed.
	errRolledBack = errors.New("the log is shorter than its own newest checkpoint")
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
		reason = reasonDiskFull
	}
	return &Error{Reason: reason, Err: err}
}

// reasonOf returns the reason of an error made by fail.
func reasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return reasonIO
}
