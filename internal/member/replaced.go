// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"crypto/sha256"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/tagged"
)

// ReplacedEvent is what an event keeps of the one in whose place it stands, because that was
// too long for the log: the member replaced.
type ReplacedEvent struct {
	// First and Last are its beginning and its end in canonical JSON, cut between
	// characters.
	First, Last string
	// Length is how many bytes of canonical JSON it had, SHA256 their hash.
	Length int64
	SHA256 [sha256.Size]byte
}

// Append appends the object.
func (e *ReplacedEvent) Append(dst []byte) []byte {
	dst = append(dst, `{"first":`...)
	dst = tagged.AppendString(dst, e.First)
	dst = append(dst, `,"last":`...)
	dst = tagged.AppendString(dst, e.Last)
	dst = append(dst, `,"length":`...)
	dst = strconv.AppendInt(dst, e.Length, 10)
	dst = append(dst, `,"sha256":"`...)
	dst = tagged.AppendHex(dst, e.SHA256[:])
	return append(dst, `"}`...)
}

// Read reads the object. It takes other forms than [ReplacedEvent.Append] writes for what they
// would mean.
func (e *ReplacedEvent) Read(r *jcs.Reader) error {
	return r.Object(func(key []byte) (err error) {
		switch string(key) {
		case "first":
			e.First, err = r.PlainText()
		case "last":
			e.Last, err = r.PlainText()
		case "length":
			e.Length, err = r.Integer(0, jcs.MaxSafeInteger)
		case "sha256":
			err = r.Hex(e.SHA256[:])
		default:
			err = r.Fail("replaced has no such member")
		}
		return err
	})
}
