// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"bytes"
	"errors"
	"fmt"
)

// KeyChangesName is the file that lists the log's key changes, the oldest first: a
// copy of what the log's own events say, for when retention has deleted those.
const KeyChangesName = "key-changes"

// MaxKeyChangeBytes bounds a line of that file, without its LF. A note with the signatures
// of 65 keys and the longest origin takes less.
const MaxKeyChangeBytes = 64 << 10

const keyChangeStart = `{"key_change":`

// AppendKeyChange appends a line of the file of key changes, without LF, that holds
// the signed note.
func AppendKeyChange(dst, note []byte) []byte {
	dst = append(dst, keyChangeStart...)
	dst = AppendString(dst, note)
	return append(dst, '}')
}

// ParseKeyChange returns the signed note that a line holds. It checks the line's
// form, not the note's.
func ParseKeyChange(line []byte) ([]byte, error) {
	if len(line) > MaxKeyChangeBytes {
		return nil, fmt.Errorf("key change line: it has %d bytes, more than %d", len(line), MaxKeyChangeBytes)
	}
	note, err := parseNote(line, keyChangeStart)
	if err != nil {
		return nil, fmt.Errorf("key change line: %w", err)
	}
	return note, nil
}

// parseNote returns the string that a line holds between start and a closing brace.
func parseNote(line []byte, start string) ([]byte, error) {
	rest, ok := bytes.CutPrefix(line, []byte(start))
	if !ok {
		return nil, fmt.Errorf("it does not start with %s", start)
	}
	quoted, ok := bytes.CutSuffix(rest, []byte("}"))
	if !ok {
		return nil, errors.New("it is cut off or has something behind its end")
	}
	return unquote(make([]byte, 0, len(quoted)), quoted)
}
