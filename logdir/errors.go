// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir

import (
	"errors"

	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
)

var (
	// ErrNoLog: the directory holds no segment.
	ErrNoLog = errors.New("there is no audit log here: no file is named audit-….jsonl")
	// ErrNoCheckpoint: nothing has been committed to the log, or nothing of it is there.
	ErrNoCheckpoint = errors.New("the log holds no checkpoint: nothing has been committed to it yet, or it is damaged: run auditlog verify")
	// ErrNotDurable: the log's only commit may not be on stable storage yet.
	ErrNotDurable = errors.New("the log's only checkpoint is not known to be on stable storage yet: try again in a second, or, if no collector writes to the log, start one, which makes sure of it")
	// ErrDamaged: what the log holds does not lead to its own checkpoint, as package export finds
	// and package proof. "auditlog verify" tells what is wrong with it.
	ErrDamaged = errors.New("the log does not fit its own checkpoint")
)

// Malformed reports whether an error of this package says what is wrong with a file's form: it
// has been damaged, or was never written by the log. Any other error says that the file could
// not be read, and nothing about it.
func Malformed(err error) bool { return logfile.Malformed(err) }
