// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/internal/jsontext"
)

// Withheld stands for a value that is not in the event itself, but in an [Opening] next to
// the log, which may be deleted: a commitment to it.
type Withheld [sha256.Size]byte

// commitTag is the tag of a withheld value. No client can forge it: a key of theirs that
// begins with '$' is written with one more.
const (
	commitTag   = "$commit"
	commitStart = `{"` + commitTag + `":`
)

func appendWithheld(dst []byte, w Withheld) []byte {
	dst = append(dst, commitStart+`"`...)
	dst = base64.StdEncoding.AppendEncode(dst, w[:])
	return append(dst, `"}`...)
}

// withheld reads what stands within the tag.
func (d *decoder) withheld(text string) (any, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	switch {
	case d.whole:
		return nil, d.fail("a withheld value within one that is whole")
	case err != nil || len(b) != len(Withheld{}):
		return nil, d.fail("not a commitment")
	}
	return Withheld(b), nil
}

// Place is where in an event a value stands: a hash of its JSON pointer.
type Place [sha256.Size]byte

// within is the place of a member, or an element, of what is at p.
func (p Place) within(token []byte) Place {
	h := sha256.New()
	h.Write(p[:])
	h.Write(token)
	return Place(h.Sum(nil))
}

// Commitment is a withheld value of an event.
type Commitment struct {
	Place Place
	Value Withheld
}

// maxPlaceDepth is far above the levels of an event, in which values have 100.
const maxPlaceDepth = 128

// Commitments returns the withheld values of an event that [Scan] has found good, in the
// order in which they stand there. The error says that there is one where none may be.
func Commitments(canonical []byte) ([]Commitment, error) {
	if !bytes.Contains(canonical, []byte(commitStart)) {
		return nil, nil
	}
	w := withholding{decoder: decoder{scanner: scanner{b: canonical, room: maxScanDepth}}}
	err := w.object(func(key []byte) error {
		at := Place{}.within(key)
		switch string(key) {
		case "body":
			return w.walk(at, 1)
		case "metadata":
			return w.members(at, 1, nil)
		case "resource", "scope":
			return w.members(at, 1, []byte("attributes"))
		default:
			return w.none()
		}
	})
	if err != nil {
		return nil, fmt.Errorf("withheld values: %w", err)
	}
	return w.found, nil
}

// withholding finds withheld values.
type withholding struct {
	decoder
	found []Commitment
}

// none passes over a value in which none is withheld.
func (w *withholding) none() error {
	start := w.i
	if err := w.value(); err != nil {
		return err
	}
	if bytes.Contains(w.b[start:w.i], []byte(commitStart)) {
		return w.fail("a value is withheld where none may be")
	}
	return nil
}

// members walks the members of an object: all of it, or those below one of them.
func (w *withholding) members(at Place, depth int, only []byte) error {
	return w.object(func(key []byte) error {
		within := at.within(key)
		switch {
		case only == nil && string(key) == commitTag:
			return w.fail("a value is withheld where none may be")
		case only == nil:
			return w.walk(within, depth+1)
		case bytes.Equal(key, only):
			return w.members(within, depth+1, nil)
		default:
			return w.none()
		}
	})
}

// walk walks a value.
func (w *withholding) walk(at Place, depth int) error {
	if depth > maxPlaceDepth {
		return w.none()
	}
	switch w.peek() {
	case '{':
		if w.tag() == commitTag {
			v, err := w.decode()
			if err != nil {
				return err
			}
			w.found = append(w.found, Commitment{at, v.(Withheld)})
			return nil
		}
		return w.members(at, depth, nil)
	case '[':
		n := 0
		return w.array(func() error {
			n++
			return w.walk(at.within(strconv.AppendInt(nil, int64(n-1), 10)), depth+1)
		})
	default:
		return w.value()
	}
}

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
func (o *Opening) Commitment() Withheld {
	h := sha256.New()
	h.Write([]byte(valueTitle))
	h.Write(o.Salt[:])
	h.Write(o.Value)
	return Withheld(h.Sum(nil))
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
	maxLeaf = 1<<53 - 1
)

// AppendOpening appends a line of a file of openings, without LF.
func AppendOpening(dst []byte, o *Opening) []byte {
	dst = append(dst, leafStart...)
	dst = strconv.AppendUint(dst, o.Leaf, 10)
	dst = append(dst, pointerStart...)
	dst = jsontext.Append(dst, o.Pointer)
	dst = append(dst, saltStart...)
	dst = base64.StdEncoding.AppendEncode(dst, o.Salt[:])
	dst = append(dst, valueStart...)
	dst = append(dst, o.Value...)
	return append(dst, '}')
}

// ParseOpening parses a line. It accepts only the bytes that [AppendOpening] would write for
// what it returns, and only values in the one form that they have in an event. Value is a view
// of the line.
func ParseOpening(line []byte) (*Opening, error) {
	o, err := parseOpening(line)
	if err == nil && !bytes.Equal(AppendOpening(make([]byte, 0, len(line)), o), line) {
		err = errors.New("not in the form that it must have")
	}
	if err != nil {
		return nil, fmt.Errorf("opening of a withheld value: %w", err)
	}
	return o, nil
}

func parseOpening(line []byte) (*Opening, error) {
	o := &Opening{}
	d := decoder{scanner: scanner{b: line, room: maxScanDepth}, whole: true}
	if err := d.checkUTF8(); err != nil {
		return nil, err
	}
	if err := d.literal(leafStart); err != nil {
		return nil, err
	}
	digits, err := d.number()
	if err != nil {
		return nil, err
	}
	if o.Leaf, err = strconv.ParseUint(string(digits), 10, 64); err != nil || o.Leaf > maxLeaf {
		return nil, d.fail(errRange.Error())
	}
	if err := d.literal(pointerStart); err != nil {
		return nil, err
	}
	if o.Pointer, err = d.plainText(); err != nil {
		return nil, err
	}
	if err := checkPointer(o.Pointer); err != nil {
		return nil, err
	}
	if err := d.literal(saltStart); err != nil {
		return nil, err
	}
	salt := d.b[d.i:]
	n := base64.StdEncoding.EncodedLen(SaltBytes)
	if len(salt) < n {
		return nil, d.fail("the salt is cut off")
	}
	salt, d.i = salt[:n], d.i+n
	decoded, err := base64.StdEncoding.Strict().DecodeString(string(salt))
	if err != nil || len(decoded) != SaltBytes {
		return nil, d.fail("the salt is not base64")
	}
	o.Salt = [SaltBytes]byte(decoded)
	if err := d.literal(valueStart); err != nil {
		return nil, err
	}
	start := d.i
	value, err := d.decode()
	if err != nil {
		return nil, err
	}
	o.Value = line[start:d.i]
	if err := d.expect('}'); err != nil {
		return nil, err
	}
	if d.i != len(line) {
		return nil, d.fail("something follows the opening")
	}
	return o, sameBytes(o.Value, appendAny(make([]byte, 0, len(o.Value)), value, 0))
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
