// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package sidefile

import (
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

// MaxKeyChangeBytes bounds a line of the file of key changes, without its LF. A note with the signatures
// of 65 keys and the longest origin takes less.
const MaxKeyChangeBytes = 64 << 10

const keyChangeStart = `{"key_change":`

// AppendKeyChange appends a line of the file of key changes, without LF, that holds
// the signed note.
func AppendKeyChange(dst, note []byte) []byte {
	return segline.AppendNote(dst, keyChangeStart, note)
}

// ParseKeyChange returns the signed note that a line holds. It checks the line's
// form, not the note's.
func ParseKeyChange(line []byte) ([]byte, error) {
	if len(line) > MaxKeyChangeBytes {
		return nil, fmt.Errorf("key change line: it has %d bytes, more than %d", len(line), MaxKeyChangeBytes)
	}
	note, err := segline.CutNote(line, keyChangeStart)
	if err != nil {
		return nil, fmt.Errorf("key change line: %w", err)
	}
	return note, nil
}
