// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventjson

import (
	"crypto/sha256"
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/member"
)

// Identity is what tells a record that is sent again from another one with its id.
type Identity struct {
	// ID is the event's id, as the record states it.
	ID string
	// Content is the SHA-256 of what the record says: of the event in canonical JSON
	// without the members that may differ when the same record comes again. These are
	// ingress and observed_timestamp, and timestamp, if it is not the record's own.
	Content [sha256.Size]byte
}

// Identify returns the identity of an event in canonical JSON, and false if its id is not
// from the record: the encoder has made it, or the event is the log's own.
func Identify(canonical []byte) (_ Identity, ok bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("identify an event: %w", err)
		}
	}()
	sc := scanner{Reader: jcs.NewReader(canonical)}
	if err := sc.Expect('{'); err != nil {
		return Identity{}, false, err
	}
	var id Identity
	var from origin
	var left, right [3]int // what is left out, in order
	cuts := 0
	var sum Summary
	for last := member.None; sc.Peek() != '}'; {
		start := sc.At
		at, err := sc.member(last, &sum)
		if err != nil {
			return Identity{}, false, err
		}
		value := canonical[start+len(at.Key()) : sc.At]
		if sc.Peek() == ',' {
			sc.At++
		} else {
			start-- // The comma in front goes instead.
		}
		last = at
		switch at {
		case member.EventID:
			text, err := unquote(value)
			if err != nil {
				return Identity{}, false, err
			}
			id.ID = text
		case member.Log:
			return Identity{}, false, nil
		case member.MappedFrom:
			if from, err = originOf(value); err != nil || !from.id {
				return Identity{}, false, err
			}
		case member.Timestamp:
			if !from.clock {
				continue
			}
			fallthrough
		case member.Ingress, member.ObservedTimestamp:
			left[cuts], right[cuts] = start, sc.At
			cuts++
		}
	}
	if !from.id {
		return Identity{}, false, nil
	}
	id.Content = ContentOf(canonical, left[:cuts], right[:cuts])
	return id, true, nil
}

// ContentOf is [Identity] Content, given what is left out: from left to right, in order.
func ContentOf(canonical []byte, left, right []int) (sum [sha256.Size]byte) {
	if len(left) == 0 {
		return sha256.Sum256(canonical)
	}
	h, done := sha256.New(), 0
	for i := range left {
		h.Write(canonical[done:left[i]])
		done = right[i]
	}
	h.Write(canonical[done:])
	h.Sum(sum[:0])
	return sum
}

// origin is what mapped_from says of the id and the time.
type origin struct {
	id    bool // from the record
	clock bool // the time is not
}

// originOf reads the member mapped_from, in either form.
func originOf(object []byte) (o origin, err error) {
	sc := scanner{Reader: jcs.NewReader(object)}
	if err := sc.Expect('{'); err != nil {
		return o, err
	}
	for sc.Peek() != '}' {
		key, _, err := sc.RawString()
		if err != nil {
			return o, err
		}
		if err := sc.Expect(':'); err != nil {
			return o, err
		}
		start := sc.At
		if err := sc.Value(); err != nil {
			return o, err
		}
		switch string(key) {
		case member.UsualTag:
			o.id = true
		case member.EventID.String():
			o.id = string(object[start:sc.At]) != `""`
		case member.Timestamp.String():
			o.clock = true
		}
		if sc.Peek() != ',' {
			break
		}
		sc.At++
	}
	return o, nil
}

// unquote returns the text of a string in canonical JSON.
func unquote(value []byte) (string, error) {
	r := jcs.NewReader(value)
	return r.PlainText()
}
