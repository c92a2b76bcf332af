// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ownevent

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Append appends the event in canonical JSON, with an id and a time, as the log of that origin
// says it. Texts that may be those of others are shortened, and ids in them are cut to 128
// bytes: no witness, producer or error makes an event longer than a line may be.
func Append(dst []byte, e *logevent.Event, id string, at time.Time, origin string) []byte {
	return AppendOwn(dst, Own{
		ID: id, Time: at, Origin: origin, Level: levelOf(e.Action), Category: categoryOf(e.Action),
		Action: string(e.Action), Detail: appendMember(nil, e),
	})
}

// appendMember appends the member "log". RFC 8785 has the members of an object sorted by name.
func appendMember(dst []byte, e *logevent.Event) []byte {
	o := begin(dst)
	o.required("action", string(e.Action))
	o.number("before", e.Before)
	o.text("checkpoint", e.Checkpoint)
	if c := e.Conflict; c != nil {
		o.object("conflict", func(o *object) {
			o.required("content_hash", c.ContentHash)
			o.required("event_id", shortID(c.EventID))
			o.required("logged_hash", c.LoggedHash)
		})
	}
	o.text("detail", short(e.Detail))
	o.text("file", short(e.File))
	o.text("key_change", e.KeyChange)
	o.text("key_id", e.KeyID)
	if e.Previous != nil {
		o.object("previous", func(o *object) { appendSegment(o, e.Previous) })
	}
	o.text("previous_key_id", e.PreviousKeyID)
	o.hashes("proof", e.Proof)
	o.text("reason", short(e.Reason))
	if r := e.Refused; r != nil {
		o.object("refused", func(o *object) {
			o.number("count", r.Count)
			o.text("event_id", shortID(r.EventID))
			o.text("reason", r.Reason)
			o.text("record", r.Record)
			o.text("sha256", r.SHA256)
		})
	}
	if e.RootHash != (merkle.Hash{}) {
		o.name("root_hash")
		o.hash(e.RootHash)
	}
	o.text("segment", short(e.Segment))
	o.list("segments", len(e.Segments), func(i int) {
		one := begin(o.dst)
		appendSegment(&one, &e.Segments[i])
		o.dst = one.end()
	})
	if s := e.Sequence; s != nil {
		o.object("sequence", func(o *object) {
			o.decimal("count", s.Count)
			o.decimal("expected", s.Expected)
			o.decimal("missing", s.Missing)
			o.decimal("number", s.Number)
			o.text("producer", short(s.Producer))
			o.text("record_id", short(s.RecordID))
			o.text("stream", short(s.Stream))
		})
	}
	o.text("sha256", e.SHA256)
	o.number("size", e.Size)
	o.time("until", e.Until)
	o.text("version", short(e.Version))
	o.text("witness", short(e.Witness))
	return o.end()
}

func appendSegment(o *object, s *logevent.Segment) {
	o.name("first_index")
	o.dst = strconv.AppendUint(o.dst, s.FirstIndex, 10)
	o.time("first_time", s.FirstTime)
	o.time("last_time", s.LastTime)
	o.hashes("range", s.Range)
	o.name("root_hash")
	o.hash(s.RootHash)
	o.required("segment", s.Segment)
	o.name("tree_size")
	o.dst = strconv.AppendUint(o.dst, s.TreeSize, 10)
}

const (
	// maxText bounds a text that may be another's, in bytes, before what escaping it takes.
	maxText = 4 << 10
	// maxID bounds an id that may be another's, in bytes.
	maxID = 128
)

// short cuts a text that is too long. It replaces what is not UTF-8, and the two separators
// that programs take for ends of lines.
func short(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.NewReplacer("\u2028", " ", "\u2029", " ").Replace(strings.ToValidUTF8(s, "\uFFFD"))
}

// shortID cuts an id. Both what makes it UTF-8 and where it is cut may make it longer.
func shortID(id string) string {
	id = short(id)
	return short(id[:min(len(id), maxID)])
}

// object writes the members of an object, but for those that are zero.
type object struct {
	dst   []byte
	start int
}

func begin(dst []byte) object {
	dst = append(dst, '{')
	return object{dst, len(dst)}
}

func (o *object) end() []byte { return append(o.dst, '}') }

func (o *object) name(name string) {
	if len(o.dst) > o.start {
		o.dst = append(o.dst, ',')
	}
	o.dst = append(append(append(o.dst, '"'), name...), '"', ':')
}

func (o *object) text(name, s string) {
	if s != "" {
		o.required(name, s)
	}
}

// required writes a text even if it is empty.
func (o *object) required(name, s string) {
	o.name(name)
	o.dst = jcs.AppendString(o.dst, s)
}

func (o *object) number(name string, n uint64) {
	if n > 0 {
		o.name(name)
		o.dst = strconv.AppendUint(o.dst, n, 10)
	}
}

// decimal writes a number as a text, since those of producers may be larger than what JSON
// holds.
func (o *object) decimal(name string, n uint64) {
	if n > 0 {
		o.text(name, strconv.FormatUint(n, 10))
	}
}

func (o *object) time(name string, t time.Time) {
	if !t.IsZero() {
		o.text(name, t.UTC().Format(timestamp.Layout))
	}
}

func (o *object) hash(h merkle.Hash) {
	o.dst = append(o.dst, '"')
	o.dst = base64.StdEncoding.AppendEncode(o.dst, h[:])
	o.dst = append(o.dst, '"')
}

func (o *object) hashes(name string, hashes []merkle.Hash) {
	o.list(name, len(hashes), func(i int) { o.hash(hashes[i]) })
}

func (o *object) list(name string, n int, element func(i int)) {
	if n == 0 {
		return
	}
	o.name(name)
	o.dst = append(o.dst, '[')
	for i := range n {
		if i > 0 {
			o.dst = append(o.dst, ',')
		}
		element(i)
	}
	o.dst = append(o.dst, ']')
}

func (o *object) object(name string, members func(*object)) {
	o.name(name)
	inner := begin(o.dst)
	members(&inner)
	o.dst = inner.end()
}

func levelOf(a logevent.Action) event.Level {
	switch a {
	case logevent.KeyChanged:
		return event.LevelSecurity
	case logevent.Recovered, logevent.Resumed, logevent.SigningDegraded, logevent.IDConflict, logevent.Refused, logevent.RefusedSuppressed, logevent.ClockJumped, logevent.StateAdopted,
		logevent.SequenceGap, logevent.SequenceRepeat, logevent.SequenceBrokenLink, logevent.SequenceAfterEnd, logevent.SequenceMalformed, logevent.SequenceSuppressed:
		return event.LevelWarning
	case logevent.Damaged, logevent.Contradicted:
		return event.LevelCritical
	default:
		return event.LevelInfo
	}
}

func categoryOf(a logevent.Action) event.Category {
	switch a {
	case logevent.KeyChanged, logevent.Witnessed, logevent.Contradicted:
		return event.CategoryCryptographic
	default:
		return event.CategorySystemHealth
	}
}
