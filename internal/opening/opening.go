// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package opening has the values that are withheld from events, so that they can be erased
// (docs/format.md, section 6.7): which an event has, and the openings that show them.
package opening

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
)

// SaltBytes is the length of an opening's salt.
const SaltBytes = 32

// Opening shows which value was withheld at a place of an event.
type Opening struct {
	// Leaf is the event's leaf index, Pointer the value's JSON pointer (RFC 6901).
	Leaf    uint64
	Pointer string
	Salt    [SaltBytes]byte
	// Value is the value in canonical JSON.
	Value []byte
}

// valueTitle begins what the commitment to a value is the hash of.
const valueTitle = "auditlog value v1\n"

// Commitment returns what stands in the event instead of the value.
func (o *Opening) Commitment() event.Withheld {
	h := sha256.New()
	h.Write([]byte(valueTitle))
	h.Write(o.Salt[:])
	h.Write(o.Value)
	return event.Withheld(h.Sum(nil))
}

// Place returns where the value stands.
func (o *Opening) Place() Place {
	var at Place
	for token := range strings.SplitSeq(strings.TrimPrefix(o.Pointer, "/"), "/") {
		at = at.within([]byte(strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")))
	}
	return at
}

const (
	leafStart    = `{"leaf":`
	pointerStart = `,"pointer":`
	saltStart    = `,"salt":"`
	valueStart   = `","value":`
	// maxLeaf is the largest index of a leaf: every JSON parser reads it exactly.
	maxLeaf = jcs.MaxSafeInteger
)

// Append appends a line of a file of openings, without LF.
func Append(dst []byte, o *Opening) []byte {
	dst = append(dst, leafStart...)
	dst = strconv.AppendUint(dst, o.Leaf, 10)
	dst = append(dst, pointerStart...)
	dst = jcs.AppendString(dst, o.Pointer)
	dst = append(dst, saltStart...)
	dst = base64.StdEncoding.AppendEncode(dst, o.Salt[:])
	dst = append(dst, valueStart...)
	dst = append(dst, o.Value...)
	return append(dst, '}')
}

// Parse parses a line. It accepts only the bytes that [Append] would write for
// what it returns, and only values in the one form that they have in an event. Value is a view
// of the line.
func Parse(line []byte) (*Opening, error) {
	o, err := parse(line)
	if err == nil && !bytes.Equal(Append(make([]byte, 0, len(line)), o), line) {
		err = errors.New("not in the form that it must have")
	}
	if err != nil {
		return nil, fmt.Errorf("opening of a withheld value: %w", err)
	}
	return o, nil
}

func parse(line []byte) (*Opening, error) {
	o := &Opening{}
	d := jcs.NewReader(line)
	if err := d.CheckUTF8(); err != nil {
		return nil, err
	}
	if err := d.Literal(leafStart); err != nil {
		return nil, err
	}
	digits, err := d.Number()
	if err != nil {
		return nil, err
	}
	if o.Leaf, err = strconv.ParseUint(string(digits), 10, 64); err != nil || o.Leaf > maxLeaf {
		return nil, d.Fail("an integer out of range")
	}
	if err := d.Literal(pointerStart); err != nil {
		return nil, err
	}
	if o.Pointer, err = d.PlainText(); err != nil {
		return nil, err
	}
	if err := checkPointer(o.Pointer); err != nil {
		return nil, err
	}
	if err := d.Literal(saltStart); err != nil {
		return nil, err
	}
	salt := d.Text[d.At:]
	n := base64.StdEncoding.EncodedLen(SaltBytes)
	if len(salt) < n {
		return nil, d.Fail("the salt is cut off")
	}
	salt, d.At = salt[:n], d.At+n
	decoded, err := base64.StdEncoding.Strict().DecodeString(string(salt))
	if err != nil || len(decoded) != SaltBytes {
		return nil, d.Fail("the salt is not base64")
	}
	o.Salt = [SaltBytes]byte(decoded)
	if err := d.Literal(valueStart); err != nil {
		return nil, err
	}
	start := d.At
	if err := d.Value(); err != nil {
		return nil, err
	}
	o.Value = line[start:d.At]
	if err := d.Expect('}'); err != nil {
		return nil, err
	}
	if d.At != len(line) {
		return nil, d.Fail("something follows the opening")
	}
	return o, checkValue(o.Value)
}

// The smallest event has all members that every event has. Values have the same form wherever in
// an event they stand.
const (
	eventStart = `{"category":"system_health","event_id":"i","level":"info","metadata":{"v":`
	eventEnd   = `},"operation":"o","resource_id":"r","resource_type":"t","success":null,"timestamp":"1970-01-01T00:00:00.000000000Z"}`
)

// checkValue checks that a value is in the one form that it has in an event, and whole.
func checkValue(value []byte) error {
	if bytes.Contains(value, []byte(commitStart)) {
		return errors.New("a withheld value within one that is whole")
	}
	if _, err := event.Parse(slices.Concat([]byte(eventStart), value, []byte(eventEnd))); err != nil {
		return fmt.Errorf("the value, in an event from byte %d on: %w", len(eventStart), err)
	}
	return nil
}

// checkPointer checks the form of a JSON pointer to something within an event.
func checkPointer(p string) error {
	if !strings.HasPrefix(p, "/") || strings.Count(p, "/") > maxPlaceDepth {
		return errors.New("the JSON pointer does not begin with '/', or has too many parts")
	}
	for i := range len(p) {
		if p[i] == '~' && (i+1 == len(p) || p[i+1] != '0' && p[i+1] != '1') {
			return errors.New("the JSON pointer has a '~' that stands for nothing")
		}
	}
	return nil
}
