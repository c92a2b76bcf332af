// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package kept

import (
	"bytes"
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/signing"
)

// byteOrderMark is what some editors put in front of a text.
var byteOrderMark = []byte("\ufeff")

// Title is what findings and errors call a kept checkpoint.
func Title(name string) string { return "kept checkpoint " + name }

// Parse parses a kept checkpoint, whose signatures nobody has checked yet.
func Parse(name string, note []byte) (signing.Checkpoint, error) {
	if bytes.HasPrefix(note, byteOrderMark) {
		return signing.Checkpoint{}, fmt.Errorf("%s is none: it begins with a byte order mark, which an editor has put there: take it away", Title(name))
	}
	c, err := signing.ParseCheckpoint(note)
	if err != nil {
		return c, fmt.Errorf("%s is none: %w", Title(name), err)
	}
	return c, nil
}
