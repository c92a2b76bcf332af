// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segline

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

const (
	signatureStart = `,"signature":"`
	keyIDStart     = `","signature_key_id":"`
	signedEnd      = `"}`
	unsignedEnd    = `,"signature":null}`

	keyIDLength = 16
)

// AppendEventStart appends what precedes the canonical event in an event line. Together with
// [AppendSignature], [AppendNoSignature] or [AppendNullSignature] it lets a writer encode the
// event in place, without a copy.
func AppendEventStart(dst []byte) []byte { return append(dst, EventStart...) }

// AppendSignature appends what follows the canonical event of a signed event line.
func AppendSignature(dst, signature []byte, keyID string) []byte {
	dst = append(dst, signatureStart...)
	dst = base64.StdEncoding.AppendEncode(dst, signature)
	dst = append(dst, keyIDStart...)
	dst = append(dst, keyID...)
	return append(dst, signedEnd...)
}

// AppendNoSignature appends what follows the canonical event in scope checkpoint.
func AppendNoSignature(dst []byte) []byte { return append(dst, '}') }

// AppendNullSignature appends what follows the canonical event when signing failed.
func AppendNullSignature(dst []byte) []byte { return append(dst, unsignedEnd...) }

// Event is an event line cut into its parts, which are views of it.
type Event struct {
	Canonical []byte
	// Signature, in base64, and KeyID are those of a signed event, else nil.
	Signature, KeyID []byte
	// Unsigned says that the line has "signature":null.
	Unsigned bool
}

// CutEvent cuts an event line into its parts. They are found from the line's end, which cannot
// be misled: within the event, a quote that is part of a string is escaped, and the caller
// checks that Canonical is exactly one canonical JSON object.
func CutEvent(line []byte) (Event, error) {
	rest, ok := bytes.CutPrefix(line, []byte(EventStart))
	if !ok {
		return Event{}, fmt.Errorf("event line does not start with %s", EventStart)
	}
	if canonical, ok := bytes.CutSuffix(rest, []byte(unsignedEnd)); ok {
		return Event{Canonical: canonical, Unsigned: true}, nil
	}
	signed, ok := bytes.CutSuffix(rest, []byte(signedEnd))
	if !ok {
		canonical, ok := bytes.CutSuffix(rest, []byte("}"))
		if !ok || len(canonical) == 0 {
			return Event{}, errors.New("event line is cut off or has something behind its end")
		}
		return Event{Canonical: canonical}, nil
	}
	if len(signed) < keyIDLength+len(keyIDStart) {
		return Event{}, errors.New("event line is cut off")
	}
	id := signed[len(signed)-keyIDLength:]
	if !isKeyID(id) {
		return Event{}, errors.New("event line does not end with a key id of 16 hex digits")
	}
	signed, ok = bytes.CutSuffix(signed[:len(signed)-keyIDLength], []byte(keyIDStart))
	if !ok {
		return Event{}, errors.New("event line has no signature_key_id where one belongs")
	}
	// The longest signature, ECDSA P-256 in DER, has 72 bytes; a bound keeps
	// the search for its start from running through the event.
	const longest = 200
	from := max(0, len(signed)-longest)
	at := bytes.LastIndex(signed[from:], []byte(signatureStart))
	if at < 0 {
		return Event{}, errors.New("event line has a signature_key_id but no signature")
	}
	at += from
	return Event{Canonical: signed[:at], Signature: signed[at+len(signatureStart):], KeyID: id}, nil
}

// isKeyID reports whether b is 16 lower-case hex digits.
func isKeyID(b []byte) bool {
	if len(b) != keyIDLength {
		return false
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
