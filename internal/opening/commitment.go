// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package opening

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
)

// commitTag is the tag of a withheld value. No client can forge it: a key of theirs that
// begins with '$' is written with one more.
const (
	commitTag   = "$commit"
	commitStart = `{"` + commitTag + `":`
)

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
	Value event.Withheld
}

// maxPlaceDepth is far above the levels of an event, in which values have 100.
const maxPlaceDepth = 128

// Commitments returns the withheld values of an event that [eventjson.Scan] has found good, in the
// order in which they stand there. The error says that there is one where none may be.
func Commitments(canonical []byte) ([]Commitment, error) {
	if !bytes.Contains(canonical, []byte(commitStart)) {
		return nil, nil
	}
	w := withholding{Reader: jcs.NewReader(canonical)}
	err := w.Object(func(key []byte) error {
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
	jcs.Reader
	found []Commitment
}

// withheld reads the tag of a withheld value, and what stands within it.
func (w *withholding) withheld() (v event.Withheld, err error) {
	if err := w.Literal(commitStart); err != nil {
		return v, err
	}
	text, err := w.PlainText()
	if err != nil {
		return v, err
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != len(v) {
		return v, w.Fail("not a commitment")
	}
	return event.Withheld(b), w.Expect('}')
}

// none passes over a value in which none is withheld.
func (w *withholding) none() error {
	start := w.At
	if err := w.Value(); err != nil {
		return err
	}
	if bytes.Contains(w.Text[start:w.At], []byte(commitStart)) {
		return w.Fail("a value is withheld where none may be")
	}
	return nil
}

// members walks the members of an object: all of it, or those below one of them.
func (w *withholding) members(at Place, depth int, only []byte) error {
	return w.Object(func(key []byte) error {
		within := at.within(key)
		switch {
		case only == nil && string(key) == commitTag:
			return w.Fail("a value is withheld where none may be")
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
	switch w.Peek() {
	case '{':
		if bytes.HasPrefix(w.Text[w.At:], []byte(commitStart)) {
			v, err := w.withheld()
			w.found = append(w.found, Commitment{at, v})
			return err
		}
		return w.members(at, depth, nil)
	case '[':
		n := 0
		return w.Array(func() error {
			n++
			return w.walk(at.within(strconv.AppendInt(nil, int64(n-1), 10)), depth+1)
		})
	default:
		return w.Value()
	}
}
