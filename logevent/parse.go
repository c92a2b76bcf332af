// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logevent

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Parse parses the member "log" of an event, in canonical JSON: [event.Event.Log]. Each
// member that this version knows must be of its type. Others are passed over, and of an action
// that this version does not know only the action is read. What Parse takes memory for is no
// larger than a few times the member.
//
// If there is an error, the event holds the action alone, as far as there is one.
func Parse(log []byte) (Event, error) {
	e, err := parse(log)
	if err != nil {
		return Event{Action: e.Action}, fmt.Errorf("malformed event of the log's own: %w", err)
	}
	return e, nil
}

func parse(log []byte) (e Event, err error) {
	if !utf8.Valid(log) {
		return e, errors.New("it is not UTF-8")
	}
	err = members(log, func(name string, value []byte) error {
		if name != "action" {
			return nil
		}
		action, err := text(value)
		e.Action = Action(action)
		return err
	})
	switch {
	case err != nil:
		return e, err
	case e.Action == "":
		return e, errors.New("it has no action")
	case !e.Action.Known():
		return e, nil
	}
	return e, members(log, e.member)
}

func (e *Event) member(name string, value []byte) (err error) {
	switch name {
	case "before":
		e.Before, err = number(value)
	case "checkpoint":
		e.Checkpoint, err = text(value)
	case "conflict":
		e.Conflict = new(Conflict)
		err = members(value, e.Conflict.member)
	case "detail":
		e.Detail, err = text(value)
	case "file":
		e.File, err = text(value)
	case "key_change":
		e.KeyChange, err = text(value)
	case "key_id":
		e.KeyID, err = text(value)
	case "previous":
		e.Previous = new(Segment)
		err = e.Previous.parse(value)
	case "previous_key_id":
		e.PreviousKeyID, err = text(value)
	case "proof":
		e.Proof, err = hashes(value, maxProof)
	case "reason":
		e.Reason, err = text(value)
	case "refused":
		e.Refused = new(Refusal)
		err = members(value, e.Refused.member)
	case "root_hash":
		e.RootHash, err = hash(value)
	case "segment":
		e.Segment, err = text(value)
	case "segments":
		err = elements(value, func(element []byte) error {
			var s Segment
			err := s.parse(element)
			e.Segments = append(e.Segments, s)
			return err
		})
	case "sequence":
		e.Sequence = new(Sequence)
		err = members(value, e.Sequence.member)
	case "sha256":
		e.SHA256, err = text(value)
	case "size":
		e.Size, err = number(value)
	case "until":
		e.Until, err = timeOf(value)
	case "version":
		e.Version, err = text(value)
	case "witness":
		e.Witness, err = text(value)
	}
	return err
}

// parse parses a segment. That it must have most of its members also bounds how many there are
// on a line.
func (s *Segment) parse(value []byte) error {
	there := map[string]bool{}
	err := members(value, func(name string, value []byte) (err error) {
		switch name {
		case "first_index":
			s.FirstIndex, err = number(value)
		case "first_time":
			s.FirstTime, err = timeOf(value)
		case "last_time":
			s.LastTime, err = timeOf(value)
		case "range":
			s.Range, err = hashes(value, maxRange)
		case "root_hash":
			s.RootHash, err = hash(value)
		case "segment":
			s.Segment, err = text(value)
		case "tree_size":
			s.TreeSize, err = number(value)
		default:
			return nil
		}
		there[name] = true
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"first_index", "root_hash", "segment", "tree_size"} {
		if !there[name] {
			return fmt.Errorf("it has no %s", name)
		}
	}
	return nil
}

func (c *Conflict) member(name string, value []byte) (err error) {
	switch name {
	case "content_hash":
		c.ContentHash, err = text(value)
	case "event_id":
		c.EventID, err = text(value)
	case "logged_hash":
		c.LoggedHash, err = text(value)
	}
	return err
}

func (r *Refusal) member(name string, value []byte) (err error) {
	switch name {
	case "count":
		r.Count, err = number(value)
	case "event_id":
		r.EventID, err = text(value)
	case "reason":
		r.Reason, err = text(value)
	case "record":
		r.Record, err = text(value)
	case "sha256":
		r.SHA256, err = text(value)
	}
	return err
}

func (s *Sequence) member(name string, value []byte) (err error) {
	switch name {
	case "count":
		s.Count, err = decimal(value)
	case "expected":
		s.Expected, err = decimal(value)
	case "missing":
		s.Missing, err = decimal(value)
	case "number":
		s.Number, err = decimal(value)
	case "producer":
		s.Producer, err = text(value)
	case "record_id":
		s.RecordID, err = text(value)
	case "stream":
		s.Stream, err = text(value)
	}
	return err
}

// members calls each with the members of an object, up to the first error.
func members(object []byte, each func(name string, value []byte) error) error {
	var wrong error
	err := jcs.Members(object, func(name string, value []byte) {
		if wrong != nil {
			return
		}
		if err := each(name, value); err != nil {
			wrong = fmt.Errorf("its member %s: %w", name, err)
		}
	})
	if err != nil {
		return err
	}
	return wrong
}

// elements calls each with the elements of a list, up to the first error.
func elements(list []byte, each func([]byte) error) error {
	if list[0] != '[' {
		return errors.New("not a list")
	}
	dec := json.NewDecoder(bytes.NewReader(list))
	if _, err := dec.Token(); err != nil {
		return err
	}
	var element json.RawMessage
	for i := 0; dec.More(); i++ {
		if err := dec.Decode(&element); err != nil {
			return err
		}
		if err := each(element); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

func text(value []byte) (s string, err error) {
	if value[0] != '"' {
		return "", errors.New("not a text")
	}
	err = json.Unmarshal(value, &s)
	return s, err
}

// maxNumber is the largest integer that the format has: 2^53−1.
const maxNumber = 1<<53 - 1

func number(value []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil || n > maxNumber {
		return 0, errors.New("not an integer from 0 to 2^53-1")
	}
	return n, nil
}

// decimal reads a number that is written as a text.
func decimal(value []byte) (uint64, error) {
	s, err := text(value)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, errors.New("not a decimal number of 64 bits")
	}
	return n, nil
}

func timeOf(value []byte) (t time.Time, err error) {
	s, err := text(value)
	if err != nil {
		return t, err
	}
	t, err = time.Parse(timestamp.Layout, s)
	if err != nil || t.Format(timestamp.Layout) != s {
		return t, errors.New("not a time in UTC with nine digits of fraction")
	}
	return t, nil
}

func hash(value []byte) (h merkle.Hash, err error) {
	// An encoded hash has no character that JSON escapes; the decoder would take an escaped
	// line break.
	encoded := bytes.Trim(value, `"`)
	var b [len(h) + 1]byte // one more, for what padding may leave
	if len(value) != len(encoded)+2 || len(encoded) != base64.StdEncoding.EncodedLen(len(h)) || bytes.IndexByte(encoded, '\\') >= 0 {
		return h, errors.New("not a hash in base64")
	}
	n, err := base64.StdEncoding.Strict().Decode(b[:], encoded)
	if err != nil || n != len(h) {
		return h, errors.New("not a hash in base64")
	}
	return merkle.Hash(b[:n]), nil
}

func hashes(value []byte, most int) (all []merkle.Hash, err error) {
	err = elements(value, func(element []byte) error {
		if len(all) == most {
			return fmt.Errorf("more than %d hashes", most)
		}
		h, err := hash(element)
		all = append(all, h)
		return err
	})
	return all, err
}
