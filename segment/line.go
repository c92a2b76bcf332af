// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"bytes"
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

// KindOf returns the name of a line's first member, which tells its kind: "segment" for a
// header, "event", "commit" or "checkpoint"; "" if it starts like none of them. It looks at the
// first bytes only; the line may still be malformed.
func KindOf(line []byte) segline.Kind {
	switch {
	case bytes.HasPrefix(line, []byte(segline.EventStart)):
		return segline.KindEvent
	case bytes.HasPrefix(line, []byte(segline.CheckpointStart)):
		return segline.KindCheckpoint
	case bytes.HasPrefix(line, []byte(segline.CommitStart)):
		return segline.KindCommit
	case bytes.HasPrefix(line, []byte(segline.HeaderStart)):
		return segline.KindHeader
	default:
		return segline.KindUnknown
	}
}

// EventLine is a parsed event line. Canonical is a view of the line.
type EventLine struct {
	// Canonical is the event in RFC 8785 form, verbatim: what the signature covers. It is not
	// checked to be JSON; package event parses it.
	Canonical []byte
	// KeyID is the id of the key that signed the event, 16 lower-case hex digits, and Signature
	// the signature over Canonical, decoded: DER for ECDSA, 64 bytes for Ed25519. KeyID is ""
	// if the event has no signature of its own.
	KeyID     string
	Signature []byte
	// Unsigned says that the line has "signature":null: the event was to be signed, that
	// failed, and the configuration allowed writing it all the same.
	Unsigned bool
}

// ParseEvent parses an event line. The signature is decoded into the space of buf, which may
// be nil.
func ParseEvent(buf, line []byte) (EventLine, error) {
	cut, err := segline.CutEvent(line)
	if err != nil || cut.KeyID == nil {
		return EventLine{Canonical: cut.Canonical, Unsigned: cut.Unsigned}, err
	}
	signature, err := jcs.DecodeBase64(buf[:0], cut.Signature)
	if err != nil {
		return EventLine{}, fmt.Errorf("event line's signature: %w", err)
	}
	return EventLine{Canonical: cut.Canonical, KeyID: string(cut.KeyID), Signature: signature}, nil
}

// ParseCheckpoint returns the signed note (c2sp.org/signed-note) that a checkpoint line holds.
// It checks the line's form, not the note's.
func ParseCheckpoint(line []byte) ([]byte, error) {
	note, err := segline.CutNote(line, segline.CheckpointStart)
	if err != nil {
		return nil, fmt.Errorf("checkpoint line: %w", err)
	}
	return note, nil
}
