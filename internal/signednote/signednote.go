// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package signednote has the form of signed notes (c2sp.org/signed-note), and of the names of
// logs in them.
package signednote

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxOrigin = 255

// ValidateOrigin reports what is wrong with the name of a log. It must be usable
// as a key name in a signed note, and not begin with '{',
// so that no checkpoint can be taken for an event.
func ValidateOrigin(origin string) error {
	switch {
	case origin == "":
		return errors.New("the origin is empty")
	case len(origin) > maxOrigin:
		return fmt.Errorf("the origin has %d bytes, more than %d", len(origin), maxOrigin)
	case !utf8.ValidString(origin):
		return errors.New("the origin is not UTF-8")
	case origin[0] == '{':
		return fmt.Errorf("the origin %q begins with '{'", origin)
	case strings.ContainsFunc(origin, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '+' }):
		return fmt.Errorf("the origin %q contains white space, a control character or '+'", origin)
	}
	return nil
}

// Split cuts a signed note (c2sp.org/signed-note) into its text, with the last LF, and
// its signature lines. Neither is looked at.
func Split(msg []byte) (text, signatures []byte, err error) {
	split := bytes.LastIndex(msg, []byte("\n\n"))
	if split < 0 {
		return nil, nil, errors.New("not a signed note: no blank line before signatures")
	}
	return msg[:split+1], msg[split+2:], nil
}

// CheckSignatures checks the form of a note's signature lines, not their signatures, more strictly
// than opening the note does: each signature has one encoding, so that no byte can
// be changed without a meaning.
func CheckSignatures(s string) error {
	if !strings.HasSuffix(s, "\n") {
		return errors.New("the last signature line is cut off")
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
		name, signature, ok := strings.Cut(strings.TrimPrefix(line, "\u2014 "), " ")
		if !ok || !strings.HasPrefix(line, "\u2014 ") || name == "" {
			return errors.New("a line after the blank one is not a signature line")
		}
		if b, err := base64.StdEncoding.Strict().DecodeString(signature); err != nil || len(b) <= 4 {
			return errors.New("a signature is not in strict base64")
		}
	}
	return nil
}
