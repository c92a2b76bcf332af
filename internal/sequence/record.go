// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package sequence

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

// The attributes, as the draft names them.
const (
	attributeStream       = mapping.SequencePrefix + "stream_id"
	attributeNumber       = mapping.SequencePrefix + "number"
	attributePreviousHash = mapping.SequencePrefix + "previous_hash"
	attributePreviousID   = mapping.SequencePrefix + "previous_record_id"
	attributeEnd          = mapping.SequencePrefix + "end"
	attributeRecordID     = "audit.record.id"
)

const (
	// maxNameBytes is the longest that an id of a stream or a record may be.
	maxNameBytes = 1024
	// maxShownBytes is what findings have of one.
	maxShownBytes = 128
)

// hash stands for an id or a record: what clients send is not to be remembered.
type hash = [sha256.Size]byte

// Record is what a record says of its place in a stream.
type Record struct {
	// Stream and ID are those of the record, cut to what findings show of them.
	Stream, ID string
	// Producer is who has made the record by a proof; empty if there is none.
	Producer string

	stream       hash // of the producer and the stream
	id           hash // of the record's id
	number       int64
	previousHash hash
	previousID   hash
	hash         hash
	has          attributes
	end          bool
	malformed    bool
}

// attributes is a set of what a record has.
type attributes uint8

const (
	hasStream attributes = 1 << iota
	hasNumber
	hasPreviousHash
	hasPreviousID
	hasEnd
	hasID
	hasHash
)

// Read reads a record's attributes. The record is of a stream, and worth showing to a
// tracker, only if it names the stream; otherwise ok is false. Producer is who has made
// it by a proof, or empty.
func Read(m pcommon.Map, producer string) (r Record, ok bool) {
	r.Producer = producer
	stream := ""
	for k, v := range m.All() {
		// Most keys are others'.
		if !strings.HasPrefix(k, mapping.SequencePrefix) && k != attributeRecordID {
			continue
		}
		switch k {
		case attributeStream:
			stream = r.text(hasStream, v)
			r.Stream = shown(stream)
		case attributeRecordID:
			id := r.text(hasID, v)
			r.ID, r.id = shown(id), sha256.Sum256([]byte(id))
		case attributePreviousID:
			r.previousID = sha256.Sum256([]byte(r.text(hasPreviousID, v)))
		case attributePreviousHash:
			// In another form than SHA-256 in hex it is no link that can be followed here.
			sum, err := hex.DecodeString(r.text(hasPreviousHash, v))
			if err == nil && len(sum) == sha256.Size {
				r.previousHash = hash(sum)
			} else {
				r.has &^= hasPreviousHash
			}
		case attributeNumber:
			r.mark(hasNumber, v.Type() == pcommon.ValueTypeInt && v.Int() >= 0)
			r.number = v.Int()
		case attributeEnd:
			r.mark(hasEnd, v.Type() == pcommon.ValueTypeBool)
			r.end = v.Bool()
		}
	}
	if r.has&hasStream == 0 {
		return Record{}, false
	}
	r.stream = sha256.Sum256([]byte(producer + "\x00" + stream))
	return r, true
}

// SetHash sets SHA-256 of the record in canonical form, to which the next record of the
// stream may link.
func (r *Record) SetHash(sum [sha256.Size]byte) {
	r.hash, r.has = sum, r.has|hasHash
}

// mark takes note that an attribute is there. Twice, it is malformed.
func (r *Record) mark(a attributes, good bool) {
	r.malformed = r.malformed || !good || r.has&a != 0
	r.has |= a
}

// text returns an attribute's text.
func (r *Record) text(a attributes, v pcommon.Value) string {
	good := v.Type() == pcommon.ValueTypeStr && v.Str() != "" && len(v.Str()) <= maxNameBytes
	r.mark(a, good)
	if !good {
		return ""
	}
	return v.Str()
}

// shown returns what findings have of an id.
func shown(s string) string {
	if len(s) <= maxShownBytes {
		return s
	}
	cut := maxShownBytes
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
