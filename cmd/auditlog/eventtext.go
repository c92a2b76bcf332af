// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/visible"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

var outcomes = map[event.Outcome]string{event.OutcomeSuccess: "success", event.OutcomeFailure: "FAILURE", event.OutcomeUnknown: "-"}

// shownMembers are the members of an event that people are shown, in that order, and by
// what names.
var shownMembers = []struct{ member, name string }{
	{"operation", "operation"}, {"resource_type", "type"}, {"resource_id", "resource"}, {"user_id", "user"}, {"agent_id", "agent"},
	{"session_id", "session"}, {"source_ip", "from"}, {"error_message", "error"},
}

// writeEvent writes an event for people, on a line. What the log says of it comes first, in
// columns that no value of a client's reaches: its time, whether the log itself or a client
// speaks, whether a checkpoint follows it, its level, category and outcome, and what came of
// checking its producer's proof. sum is of the event. It takes no memory for long values.
func writeEvent(w *bufio.Writer, canonical []byte, sum *eventjson.Summary, committed bool) error {
	said := "record"
	if sum.Log != nil {
		said = "log"
	}
	fmt.Fprintf(w, "%s  %-6s", sum.Time.Format("2006-01-02T15:04:05.000Z"), said)
	if !committed {
		w.WriteString("  uncommitted")
	}
	fmt.Fprintf(w, "  %-8s  %-18s  %-7s", sum.Level, sum.Category, outcomes[sum.Success])
	writeProof(w, sum.Ingress)
	var values [8]iter.Seq[rune] // as many as shownMembers
	var body iter.Seq[rune]
	var replaced []byte
	err := jcs.Members(canonical, func(name string, value []byte) {
		if name == "body" {
			body = textOf(value)
		} else if name == "replaced" {
			replaced = value
		} else if i := slices.IndexFunc(shownMembers, func(m struct{ member, name string }) bool { return m.member == name }); i >= 0 {
			values[i] = textOf(value)
		}
	})
	if err != nil {
		return err
	}
	for i, m := range shownMembers {
		writeMember(w, m.name, values[i])
	}
	writeSaid(w, sum.Log)
	writeReplaced(w, replaced)
	writeMember(w, "body", body)
	return w.WriteByte('\n') // the error of all writes
}

// writeMember writes a value, if there is one.
func writeMember(w *bufio.Writer, name string, value iter.Seq[rune]) {
	if value == nil {
		return
	}
	w.WriteString("  " + name + "=")
	visible.WriteValue(w, value) // w keeps the error
}

// writeText is writeMember for a text, if it is not empty.
func writeText(w *bufio.Writer, name, value string) {
	if value != "" {
		writeMember(w, name, visible.Runes(value))
	}
}

// textOf returns the text that a value in canonical JSON is, or nil if it is none.
func textOf(value []byte) iter.Seq[rune] {
	if bytes.HasPrefix(value, []byte(`"`)) {
		return visible.RunesOfJSON(value[1 : len(value)-1])
	}
	encoded, tagged := bytes.CutPrefix(value, []byte(`{"$bytes":"`))
	encoded, isText := bytes.CutSuffix(encoded, []byte(`","$string":true}`))
	if !tagged || !isText {
		return nil
	}
	text, err := base64.StdEncoding.AppendDecode(nil, encoded)
	if err != nil {
		return nil
	}
	return visible.Runes(string(text))
}

// writeProof writes what came of checking the proof of a record's producer, if it was
// checked.
func writeProof(w *bufio.Writer, object []byte) {
	if object == nil {
		return
	}
	r, err := ingress.ParseResult(object)
	if err != nil {
		w.WriteString("  proof=?")
		return
	}
	writeText(w, "proof", string(r.Status))
	writeText(w, "by", r.Producer)
	writeText(w, "because", string(r.Reason))
}

// writeSaid writes what the log says of a record, or of a number of them, if it does.
func writeSaid(w *bufio.Writer, log []byte) {
	if log == nil {
		return
	}
	said, err := logevent.Parse(log)
	if err != nil {
		return // verify tells
	}
	if s := said.Sequence; s != nil {
		writeText(w, "producer", s.Producer)
		writeText(w, "stream", s.Stream)
		writeText(w, "record", s.RecordID)
		writeNumber(w, "number", s.Number)
		writeNumber(w, "expected", s.Expected)
		writeNumber(w, "missing", s.Missing)
		writeNumber(w, "count", s.Count)
	}
	if c := said.Conflict; c != nil {
		writeText(w, "id", c.EventID)
		writeText(w, "content", c.ContentHash)
		writeText(w, "logged", c.LoggedHash)
	}
	if r := said.Refused; r != nil {
		writeText(w, "reason", r.Reason)
		writeText(w, "record", r.Record)
		writeText(w, "id", r.EventID)
		writeText(w, "hash", r.SHA256)
		writeNumber(w, "count", r.Count)
	}
}

// writeNumber is writeText for a number, if it is not 0.
func writeNumber(w *bufio.Writer, name string, n uint64) {
	if n > 0 {
		writeText(w, name, strconv.FormatUint(n, 10))
	}
}

// maxReplaced is more than the log writes of an event that it has replaced.
const maxReplaced = 16 << 10

// writeReplaced writes what the log has kept of an event that was too long for it, if the
// event stands for one.
func writeReplaced(w *bufio.Writer, object []byte) {
	if object == nil {
		return
	}
	var r struct {
		First, Last string
		Length      json.Number
		SHA256      string `json:"sha256"`
	}
	if len(object) > maxReplaced || json.Unmarshal(object, &r) != nil {
		w.WriteString("  replaced=?")
		return
	}
	writeText(w, "replaced", r.Length.String())
	writeText(w, "hash", r.SHA256)
	writeText(w, "first", r.First)
	writeText(w, "last", r.Last)
}

// eventText is what writeEvent writes of an event that a checkpoint covers.
func eventText(canonical []byte) (string, error) {
	var sum eventjson.Summary
	if err := eventjson.Scan(canonical, &sum); err != nil {
		return "", err
	}
	var b strings.Builder
	w := bufio.NewWriter(&b)
	if err := writeEvent(w, canonical, &sum, true); err != nil {
		return "", err
	}
	err := w.Flush()
	return b.String(), err
}
