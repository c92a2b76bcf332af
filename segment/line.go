// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// MaxLineBytes is the length of the longest line, without its LF, that a log
// may hold: 32 MiB. The writer refuses longer ones and readers report them,
// which bounds the memory of both.
const MaxLineBytes = 32 << 20

// Kind is what a line is, told by its first bytes alone.
type Kind uint8

// The kinds of lines.
const (
	KindUnknown    Kind = iota
	KindHeader          // {"segment":
	KindEvent           // {"event":
	KindCommit          // {"commit":
	KindCheckpoint      // {"checkpoint":
)

const (
	headerStart     = `{"segment":`
	eventStart      = `{"event":`
	commitStart     = `{"commit":`
	checkpointStart = `{"checkpoint":`

	signatureStart = `,"signature":"`
	keyIDStart     = `","signature_key_id":"`
	signedEnd      = `"}`
	unsignedEnd    = `,"signature":null}`

	// KeyIDLength is the length of a key id: 16 hex digits.
	KeyIDLength = 16
)

// KindOf tells what kind of line this is. It looks at the first bytes only;
// the line may still be malformed.
func KindOf(line []byte) Kind {
	switch {
	case bytes.HasPrefix(line, []byte(eventStart)):
		return KindEvent
	case bytes.HasPrefix(line, []byte(checkpointStart)):
		return KindCheckpoint
	case bytes.HasPrefix(line, []byte(commitStart)):
		return KindCommit
	case bytes.HasPrefix(line, []byte(headerStart)):
		return KindHeader
	default:
		return KindUnknown
	}
}

// Form says how an event line is signed.
type Form uint8

// The forms of event lines.
const (
	// FormBare has no signature members: scope checkpoint.
	FormBare Form = iota
	// FormSigned carries a signature over the canonical event.
	FormSigned
	// FormUnsigned says "signature":null: signing failed and the
	// configuration allowed writing the event all the same.
	FormUnsigned
)

// EventLine is a parsed event line. Its slices are views of the line, but for
// Signature, which is decoded.
type EventLine struct {
	// Canonical is the event in RFC 8785 form, verbatim: what the signature
	// covers. It is not checked to be JSON; see package event.
	Canonical []byte
	Form      Form
	// Signature and KeyID are set in FormSigned only.
	Signature []byte
	KeyID     string
}

// AppendEventStart appends what precedes the canonical event in an event line.
// Together with [AppendSignature], [AppendNoSignature] or [AppendNullSignature]
// it lets a writer encode the event in place, without a copy.
func AppendEventStart(dst []byte) []byte {
	return append(dst, eventStart...)
}

// AppendSignature appends what follows the canonical event of a signed event
// line.
func AppendSignature(dst, signature []byte, keyID string) []byte {
	dst = append(dst, signatureStart...)
	dst = base64.StdEncoding.AppendEncode(dst, signature)
	dst = append(dst, keyIDStart...)
	dst = append(dst, keyID...)
	return append(dst, signedEnd...)
}

// AppendNoSignature appends what follows the canonical event in scope
// checkpoint.
func AppendNoSignature(dst []byte) []byte {
	return append(dst, '}')
}

// AppendNullSignature appends what follows the canonical event when signing
// failed.
func AppendNullSignature(dst []byte) []byte {
	return append(dst, unsignedEnd...)
}

// ParseEvent parses an event line. The signature is decoded into a new slice;
// see [ParseEventInto] to avoid that.
func ParseEvent(line []byte) (EventLine, error) {
	return ParseEventInto(nil, line)
}

// ParseEventInto is [ParseEvent] with a buffer whose space the decoded
// signature takes.
//
// The parts are found from the line's end, which cannot be misled: within the
// event, a quote that is part of a string is escaped, and the caller checks
// that Canonical is exactly one canonical JSON object.
func ParseEventInto(buf, line []byte) (EventLine, error) {
	rest, ok := bytes.CutPrefix(line, []byte(eventStart))
	if !ok {
		return EventLine{}, fmt.Errorf("event line does not start with %s", eventStart)
	}
	if canonical, ok := bytes.CutSuffix(rest, []byte(unsignedEnd)); ok {
		return EventLine{Canonical: canonical, Form: FormUnsigned}, nil
	}
	signed, ok := bytes.CutSuffix(rest, []byte(signedEnd))
	if !ok {
		canonical, ok := bytes.CutSuffix(rest, []byte("}"))
		if !ok || len(canonical) == 0 {
			return EventLine{}, errors.New("event line is cut off or has something behind its end")
		}
		return EventLine{Canonical: canonical, Form: FormBare}, nil
	}
	if len(signed) < KeyIDLength+len(keyIDStart) {
		return EventLine{}, errors.New("event line is cut off")
	}
	id := signed[len(signed)-KeyIDLength:]
	if !isKeyID(id) {
		return EventLine{}, errors.New("event line does not end with a key id of 16 hex digits")
	}
	signed, ok = bytes.CutSuffix(signed[:len(signed)-KeyIDLength], []byte(keyIDStart))
	if !ok {
		return EventLine{}, errors.New("event line has no signature_key_id where one belongs")
	}
	// The longest signature, ECDSA P-256 in DER, has 72 bytes; a bound keeps
	// the search for its start from running through the event.
	const longest = 200
	from := max(0, len(signed)-longest)
	at := bytes.LastIndex(signed[from:], []byte(signatureStart))
	if at < 0 {
		return EventLine{}, errors.New("event line has a signature_key_id but no signature")
	}
	at += from
	signature, err := decodeBase64(buf[:0], signed[at+len(signatureStart):])
	if err != nil {
		return EventLine{}, fmt.Errorf("event line's signature: %w", err)
	}
	return EventLine{Canonical: signed[:at], Form: FormSigned, Signature: signature, KeyID: string(id)}, nil
}

// isKeyID reports whether b is 16 lower-case hex digits.
func isKeyID(b []byte) bool {
	if len(b) != KeyIDLength {
		return false
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// AppendCheckpoint appends a checkpoint line, without LF, that holds the
// signed note.
func AppendCheckpoint(dst, note []byte) []byte {
	dst = append(dst, checkpointStart...)
	dst = AppendString(dst, note)
	return append(dst, '}')
}

// ParseCheckpoint returns the signed note that a checkpoint line holds. It
// checks the line's form, not the note's.
func ParseCheckpoint(line []byte) ([]byte, error) {
	note, err := parseNote(line, checkpointStart)
	if err != nil {
		return nil, fmt.Errorf("checkpoint line: %w", err)
	}
	return note, nil
}
