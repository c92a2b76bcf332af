// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segline

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
)

// AppendCheckpoint appends a checkpoint line, without LF, that holds the signed note.
func AppendCheckpoint(dst, note []byte) []byte { return AppendNote(dst, CheckpointStart, note) }

// AppendNote appends a line, without LF, that holds a signed note between start and a closing
// brace.
func AppendNote(dst []byte, start string, note []byte) []byte {
	dst = append(dst, start...)
	dst = jcs.AppendString(dst, note)
	return append(dst, '}')
}

// CutNote returns the signed note that a line holds between start and a closing brace. It
// checks the line's form, not the note's.
func CutNote(line []byte, start string) ([]byte, error) {
	rest, ok := bytes.CutPrefix(line, []byte(start))
	if !ok {
		return nil, fmt.Errorf("it does not start with %s", start)
	}
	quoted, ok := bytes.CutSuffix(rest, []byte("}"))
	if !ok {
		return nil, errors.New("it is cut off or has something behind its end")
	}
	return jcs.Unquote(make([]byte, 0, len(quoted)), quoted)
}
