// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"crypto/sha256"
	"fmt"
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
	sc := scanner{b: canonical, room: maxScanDepth}
	if err := sc.expect('{'); err != nil {
		return Identity{}, false, err
	}
	var id Identity
	var from origin
	var left, right [3]int // what is left out, in order
	cuts := 0
	var sum Summary
	for last := atStart; sc.peek() != '}'; {
		start := sc.i
		at, err := sc.member(last, &sum)
		if err != nil {
			return Identity{}, false, err
		}
		value := canonical[start+len(placeNames[at]) : sc.i]
		if sc.peek() == ',' {
			sc.i++
		} else {
			start-- // The comma in front goes instead.
		}
		last = at
		switch at {
		case atEventID:
			text, err := unquote(value)
			if err != nil {
				return Identity{}, false, err
			}
			id.ID = text
		case atLog:
			return Identity{}, false, nil
		case atMappedFrom:
			if from, err = originOf(value); err != nil || !from.id {
				return Identity{}, false, err
			}
		case atTimestamp:
			if !from.clock {
				continue
			}
			fallthrough
		case atIngress, atObservedTimestamp:
			left[cuts], right[cuts] = start, sc.i
			cuts++
		}
	}
	if !from.id {
		return Identity{}, false, nil
	}
	id.Content = contentOf(canonical, left[:cuts], right[:cuts])
	return id, true, nil
}

// contentOf hashes what is not left out.
func contentOf(canonical []byte, left, right []int) (sum [sha256.Size]byte) {
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
	sc := scanner{b: object, room: maxScanDepth}
	if err := sc.expect('{'); err != nil {
		return o, err
	}
	for sc.peek() != '}' {
		key, _, err := sc.text()
		if err != nil {
			return o, err
		}
		if err := sc.expect(':'); err != nil {
			return o, err
		}
		start := sc.i
		if err := sc.value(); err != nil {
			return o, err
		}
		switch string(key) {
		case usualTag:
			o.id = true
		case memberNames[mEventID]:
			o.id = string(object[start:sc.i]) != `""`
		case "timestamp":
			o.clock = true
		}
		if sc.peek() != ',' {
			break
		}
		sc.i++
	}
	return o, nil
}

// unquote returns the text of a string in canonical JSON.
func unquote(value []byte) (string, error) {
	sc := scanner{b: value}
	raw, escaped, err := sc.text()
	if err != nil {
		return "", err
	}
	if escaped {
		raw = appendUnescaped(nil, raw)
	}
	return string(raw), nil
}
