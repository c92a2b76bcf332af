// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/visible"
)

// csvColumns are the columns of a table of events. Other than in the log, members
// that are not set are empty.
var csvColumns = []string{
	"leaf_index", "event_id", "timestamp", "level", "category", "operation", "resource_type", "resource_id", "user_id", "agent_id", "session_id",
	"success", "error_message", "source_ip", "user_agent", "event_name", "trace_id", "span_id", "body", "metadata", "log", "ingress",
	"replaced",
}

// csvTable writes a table in CSV (RFC 4180, lines ended by LF) with a line of column
// names, for people and spreadsheets. body, metadata, log, ingress and replaced are JSON,
// in the event's own tagged form.
//
// Values come from whoever sent the records. Two measures keep them from doing harm;
// neither loses an event, but who needs exact bytes takes another form:
//
//   - A cell that a spreadsheet might take for a formula (OWASP, CSV Injection), or that
//     begins with an apostrophe, gets an apostrophe in front. So does what stands after a
//     semicolon within a cell, where some spreadsheets begin another; in JSON the semicolon
//     is an escape then.
//   - Characters that are invisible or control a terminal stand as escapes (\x1b), so
//     that a cell is one line; in JSON as escapes of JSON, which mean the same.
type csvTable struct {
	exact
	w   *bufio.Writer
	csv *csv.Writer
	// row is reused.
	row    []string
	headed bool
}

func newCSV(w *bufio.Writer) *csvTable {
	return &csvTable{w: w, csv: csv.NewWriter(w)}
}

func (c *csvTable) head() error {
	if c.headed {
		return nil
	}
	c.headed = true
	return c.csv.Write(csvColumns)
}

func (c *csvTable) Write(ev *Event) error {
	if err := c.head(); err != nil {
		return err
	}
	e, err := ev.parse()
	if err != nil {
		return err
	}
	var raw struct {
		Timestamp string          `json:"timestamp"`
		TraceID   string          `json:"trace_id"`
		SpanID    string          `json:"span_id"`
		Body      json.RawMessage `json:"body"`
		Metadata  json.RawMessage `json:"metadata"`
		Replaced  json.RawMessage `json:"replaced"`
	}
	if err := json.Unmarshal(ev.Canonical, &raw); err != nil {
		return fmt.Errorf("leaf %d: %w", ev.Index, err)
	}
	c.row = append(c.row[:0],
		strconv.FormatUint(ev.Index, 10),
		cell(e.EventID),
		raw.Timestamp,
		string(e.Level),
		string(e.Category),
		cell(e.Operation),
		cell(e.ResourceType),
		cell(e.ResourceID),
		cell(e.UserID),
		cell(e.AgentID),
		cell(e.SessionID),
		csvOutcomes[e.Success],
		cell(e.ErrorMessage),
		cell(e.SourceIP),
		cell(e.UserAgent),
		cell(e.EventName),
		raw.TraceID,
		raw.SpanID,
		notFormula(cellJSON(string(raw.Body))),
		cellJSON(string(raw.Metadata)),
		cellJSON(string(e.Log)),
		cellJSON(string(e.Ingress)),
		cellJSON(string(raw.Replaced)),
	)
	return c.csv.Write(c.row)
}

var csvOutcomes = map[event.Outcome]string{event.OutcomeSuccess: "true", event.OutcomeFailure: "false", event.OutcomeUnknown: ""}

func (c *csvTable) Flush() error {
	if err := c.head(); err != nil {
		return err
	}
	c.csv.Flush()
	if err := c.csv.Error(); err != nil {
		return err
	}
	return c.w.Flush()
}

func cell(s string) string { return notFormula(afterSemicolons(visible.Text(s), ";'")) }

// cellJSON returns JSON that means the same. Semicolons are in its strings only.
func cellJSON(s string) string { return afterSemicolons(visible.JSON(s), `\u003b`) }

// afterSemicolons puts something in the place of each semicolon that a formula, or an
// apostrophe, follows, whatever quotes and blanks are between.
func afterSemicolons(s, instead string) string {
	before, rest, found := strings.Cut(s, ";")
	if !found {
		return s
	}
	var b strings.Builder
	for ; found; before, rest, found = strings.Cut(rest, ";") {
		b.WriteString(before)
		if next := strings.TrimLeft(rest, `" \`); notFormula(next) != next {
			b.WriteString(instead)
		} else {
			b.WriteByte(';')
		}
	}
	b.WriteString(before)
	return b.String()
}

// notFormula puts an apostrophe in front of what a spreadsheet might take for a
// formula, and of an apostrophe, so that taking one away gives back what was there.
func notFormula(s string) string {
	switch r, _ := utf8.DecodeRuneInString(s); {
	case s == "":
		return s
	case strings.ContainsRune("=+-@'\t\r\n\uFF1D\uFF0B\uFF0D\uFF20", r):
		return "'" + s
	default:
		return s
	}
}
