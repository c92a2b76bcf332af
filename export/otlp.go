// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bufio"
	"bytes"
	"fmt"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/plog"

	recordmapping "github.com/otel-auditlog/auditlogexporter/internal/mapping"
)

// otlpJSON writes log records equal to those that the events were mapped from, in the
// form of the OTLP file exporter: a LogsData in JSON on each line, of one record,
// because receivers limit the length of lines. The log's own events are no records
// and are left out.
//
// JSON cannot hold strings that are not UTF-8: U+FFFD stands for what is not. Nor can
// it tell one NaN from another.
type otlpJSON struct {
	w    *bufio.Writer
	json plog.JSONMarshaler
	// altered is how many events have lost something.
	altered int
}

func (o *otlpJSON) Write(e *Event) error {
	if e.Summary.Log != nil {
		return nil
	}
	parsed, err := e.parse()
	if err != nil {
		return err
	}
	logs, err := recordmapping.Logs(parsed)
	if err != nil {
		return fmt.Errorf("leaf %d: %w", e.Index, err)
	}
	line, err := o.json.MarshalLogs(logs)
	if err != nil {
		return fmt.Errorf("leaf %d: write its record as JSON: %w", e.Index, err)
	}
	if !utf8.Valid(line) {
		o.altered++
		line = bytes.ToValidUTF8(line, []byte(string(utf8.RuneError)))
	}
	if _, err := o.w.Write(line); err != nil {
		return err
	}
	return o.w.WriteByte('\n')
}

func (o *otlpJSON) Flush() error { return o.w.Flush() }

func (o *otlpJSON) Altered() int { return o.altered }
