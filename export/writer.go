// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Writer writes events in one form, which [NewWriter] names. It is for one goroutine at a time.
type Writer interface {
	// Write writes an event.
	Write(*Event) error
	// Flush writes what is still held back. Call it last.
	Flush() error
	// Altered returns how many of the events written differ from those in the log, because the
	// form could not hold them exactly.
	Altered() int
}

// formats are the forms that events can be written in.
var formats = map[string]func(*bufio.Writer, signing.Checkpoint) Writer{
	"jsonl":     func(w *bufio.Writer, _ signing.Checkpoint) Writer { return &jsonl{w: w} },
	"otlp-json": func(w *bufio.Writer, _ signing.Checkpoint) Writer { return &otlpJSON{w: w} },
	"csv":       func(w *bufio.Writer, _ signing.Checkpoint) Writer { return newCSV(w) },
	"ocsf":      func(w *bufio.Writer, c signing.Checkpoint) Writer { return newOCSF(w, c) },
}

// Formats returns the names of the forms that events can be written in, sorted: "csv", "jsonl",
// "ocsf" and "otlp-json".
func Formats() []string { return slices.Sorted(maps.Keys(formats)) }

// NewWriter returns a writer of the form that format names (see [Formats]), to out; c is the
// checkpoint that covers the events.
func NewWriter(format string, out io.Writer, c signing.Checkpoint) (Writer, error) {
	f, ok := formats[format]
	if !ok {
		return nil, fmt.Errorf("unknown format %q: use one of %v", format, Formats())
	}
	return f(bufio.NewWriterSize(out, 64<<10), c), nil
}

// jsonl writes events in canonical JSON, byte for byte as they were signed, one a
// line.
type jsonl struct {
	exact
	w *bufio.Writer
}

// exact is for forms that hold every event exactly, or are not meant to.
type exact struct{}

func (exact) Altered() int { return 0 }

func (j *jsonl) Write(e *Event) error {
	if _, err := j.w.Write(e.Canonical); err != nil {
		return err
	}
	return j.w.WriteByte('\n')
}

func (j *jsonl) Flush() error { return j.w.Flush() }
