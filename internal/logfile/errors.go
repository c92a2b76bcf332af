// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"errors"
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

// ErrTooLarge: a file has more bytes than the writer puts into it.
var ErrTooLarge = errors.New("it is larger than the log makes it")

// LineError says what is wrong with a line of a file, or, if Line is 0, with the file as a
// whole.
type LineError struct {
	File string
	Line int
	Err  error
}

func (e *LineError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s, line %d: %v", e.File, e.Line, e.Err)
}

func (e *LineError) Unwrap() error { return e.Err }

// forms are the errors of package segment that say what is wrong with a file.
var forms = []error{
	compression.ErrDamaged, compression.ErrTrailingData, segline.ErrTooLong, segline.ErrPartial,
	rootfs.ErrNotRegular, compression.ErrForeign, ErrTooLarge,
}

// Malformed reports whether an error says what is wrong with a file's form. Any other error
// says that the file could not be read, and nothing about it.
func Malformed(err error) bool {
	var line *LineError
	if errors.As(err, &line) {
		return true
	}
	for _, form := range forms {
		if errors.Is(err, form) {
			return true
		}
	}
	return false
}
