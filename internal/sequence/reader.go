// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package sequence

import (
	"crypto/sha256"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
)

// maxKeptText keeps one huge record from holding its memory for ever.
const maxKeptText = 64 << 10

// Reader reads records' places in streams, for one goroutine at a time. The zero value is
// ready for use.
type Reader struct {
	form ingress.Form
	text []byte
}

// Read is the function of that name, and adds the record's hash.
func (r *Reader) Read(record plog.LogRecord, producer string) (Record, bool) {
	one, ok := Read(record.Attributes(), producer)
	if !ok {
		return one, false
	}
	var err error
	if r.text, err = r.form.Append(r.text[:0], record); err == nil {
		one.SetHash(sha256.Sum256(r.text))
	}
	if cap(r.text) > maxKeptText {
		r.text = nil
	}
	return one, true
}

// Link has the log's [Stage] shown the record's place, when the batch is written, to which
// its event was added last.
func Link(b *stage.Batch, r Record) {
	all, _ := b.Tag().(*links)
	if all == nil {
		all = new(links)
		b.SetTag(all)
	}
	all.records = append(all.records, r)
	all.events = append(all.events, b.Len()-1)
}

// links are the places in streams of a batch's events, and those events' numbers.
type links struct {
	records []Record
	events  []int
}

// written returns the places of those events that are written.
func (l *links) written(b *stage.Batch) []Record {
	kept := make([]Record, 0, len(l.records))
	for i, event := range l.events {
		if b.Written(event) {
			kept = append(kept, l.records[i])
		}
	}
	return kept
}
