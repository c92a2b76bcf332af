// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Replaced is what an event keeps of the one in whose place it stands, because that was too
// long for the log.
type Replaced struct {
	// First and Last are its beginning and its end in canonical JSON, cut between
	// characters.
	First, Last string
	// Length is how many bytes of canonical JSON it had, SHA256 their hash.
	Length int64
	SHA256 [sha256.Size]byte
}

func (r *Replaced) append(dst []byte) []byte {
	dst = append(dst, `"replaced":{"first":`...)
	dst = appendString(dst, r.First)
	dst = append(dst, `,"last":`...)
	dst = appendString(dst, r.Last)
	dst = append(dst, `,"length":`...)
	dst = strconv.AppendInt(dst, r.Length, 10)
	dst = append(dst, `,"sha256":"`...)
	dst = appendHex(dst, r.SHA256[:])
	return append(dst, `"},`...)
}

// body is what stands for the body in the record that the event decodes to.
func (r *Replaced) body() Map {
	return Map{{"first", r.First}, {"last", r.Last}, {"length", r.Length}, {"sha256", hex.EncodeToString(r.SHA256[:])}}
}

func (d *decoder) replaced() (*Replaced, error) {
	r := &Replaced{}
	err := d.object(func(key []byte) (err error) {
		switch string(key) {
		case "first":
			r.First, err = d.plainText()
		case "last":
			r.Last, err = d.plainText()
		case "length":
			r.Length, err = d.integer(0, maxSafeInteger)
		case "sha256":
			err = d.id(r.SHA256[:])
		default:
			err = d.fail("replaced has no such member")
		}
		return err
	})
	return r, err
}

// errReplacedBody: what was too long is not there.
var errReplacedBody = errors.New("an event that stands for another has no body, no metadata, no resource and no scope")

// checkReplaced refuses an event that claims to keep what it has replaced.
func (e *Event) checkReplaced() error {
	if e.Replaced != nil && (e.Body != nil || len(e.Metadata) > 0 || !e.Resource.empty() || !e.Scope.empty() || e.Log != nil) {
		return errReplacedBody
	}
	return nil
}

func (r *Resource) empty() bool { return len(r.append(nil)) == 0 }

func (s *Scope) empty() bool { return len(s.append(nil)) == 0 }

// What a replacement keeps: so many bytes of the beginning and of the end, and texts up to
// so many bytes; of an id or a word that an event must have, the beginning.
const (
	maxKeptEdge = 1024
	maxKeptText = 256
)

// ErrNoRoom is that there is no room for what an event must have.
var ErrNoRoom = errors.New("there is no room for an event that stands for another")

// AppendReplacement appends an event that stands for another one, given in canonical JSON, and
// has at most so many bytes. It keeps of it what Replaced says, its times, level, category and
// outcome, what came of checking its proof, and of the other members what is short, if it fits. No
// record gives such an event: the mapping makes no member "replaced".
func AppendReplacement(dst, canonical []byte, limit int) ([]byte, error) {
	whole := &Replaced{Length: int64(len(canonical)), SHA256: sha256.Sum256(canonical)}
	start := len(dst)
	for text, edge := maxKeptText, maxKeptEdge; ; text, edge = text/2, edge/4 {
		e, err := kept(canonical, text)
		if err != nil {
			return dst[:start], fmt.Errorf("replace an event: %w", err)
		}
		e.Replaced = whole
		whole.First, whole.Last = cutFirst(canonical, edge), cutLast(canonical, edge)
		if dst = e.Append(dst[:start]); len(dst)-start <= limit {
			return dst, nil
		}
		if text < 32 {
			return dst[:start], ErrNoRoom
		}
	}
}

// kept returns what is kept of an event, with texts up to so many bytes.
func kept(canonical []byte, most int) (*Event, error) {
	sc := scanner{b: canonical, room: maxScanDepth}
	if err := sc.expect('{'); err != nil {
		return nil, err
	}
	e := &Event{}
	var sum Summary
	short := false // mapped_from is in the short form
	for last := atStart; sc.peek() != '}'; {
		start := sc.i
		at, err := sc.member(last, &sum)
		if err != nil {
			return nil, err
		}
		value := canonical[start+len(placeNames[at]) : sc.i]
		if sc.peek() == ',' {
			sc.i++
		}
		last = at
		d := decoder{scanner: scanner{b: value, room: maxScanDepth}}
		name := placeNames[at]
		switch at {
		case atBody, atMetadata, atResource, atScope, atEventName, atSeverityText, atDroppedAttributesCount, atLog:
			continue
		case atAgentID, atErrorMessage, atSessionID, atSourceIP, atUserAgent, atUserID:
			if len(value) > most {
				continue
			}
		}
		if err := d.member(e, name[1:len(name)-2]); err != nil {
			return nil, err
		}
		short = short || d.shortSources
	}
	e.Level, e.Category, e.Success = sum.Level, sum.Category, sum.Success
	e.Ingress = append([]byte(nil), sum.Ingress...)
	if len(e.Ingress) == 0 {
		e.Ingress = nil
	}
	if short {
		e.lengthen()
	}
	e.shorten(most)
	return e, nil
}

// shorten cuts the texts that an event must have, and leaves out where members are from
// that are not there whole.
func (e *Event) shorten(most int) {
	for m, text := range map[member]*string{mEventID: &e.EventID, mOperation: &e.Operation, mResourceID: &e.ResourceID, mResourceType: &e.ResourceType} {
		if len(*text) > most {
			*text = cutFirst(*text, most) + "…"
			delete(e.MappedFrom, memberNames[m])
		}
	}
	for name, from := range e.MappedFrom {
		if m := memberOf(name); len(from) > most || m != members && !e.states(m) {
			delete(e.MappedFrom, name)
		}
	}
}

// cutFirst returns the first n bytes, or less, that are whole characters.
func cutFirst[S string | []byte](s S, n int) string {
	if len(s) <= n {
		return string(s)
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return string(s[:n])
}

// cutLast returns the last n bytes, or less, that are whole characters.
func cutLast(b []byte, n int) string {
	at := max(0, len(b)-n)
	for at < len(b) && !utf8.RuneStart(b[at]) {
		at++
	}
	return string(b[at:])
}
