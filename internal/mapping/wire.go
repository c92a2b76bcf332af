// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"encoding/base64"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// wire writes protobuf from the end to the beginning. A message is preceded by its
// length, which is then known: nesting costs no copying.
type wire struct {
	buf     []byte // from start on, what has been written
	start   int
	scratch [2 * 10]byte // a tag and a number
}

func (w *wire) bytes() []byte { return w.buf[w.start:] }

// prepend puts b in front.
func (w *wire) prepend(b []byte) {
	if len(b) > w.start {
		size := len(w.buf) - w.start
		grown := make([]byte, max(512, 2*(size+len(b))))
		start := len(grown) - size
		copy(grown[start:], w.buf[w.start:])
		w.buf, w.start = grown, start
	}
	w.start -= copy(w.buf[w.start-len(b):], b)
}

// message writes a field whose fields are written by fields, the last first.
func (w *wire) message(n protowire.Number, fields func()) {
	end := len(w.buf) - w.start
	fields()
	w.length(n, len(w.buf)-w.start-end)
}

// length puts the tag and the length of a field in front of its content.
func (w *wire) length(n protowire.Number, size int) {
	head := protowire.AppendTag(w.scratch[:0], n, protowire.BytesType)
	w.prepend(protowire.AppendVarint(head, uint64(size)))
}

func (w *wire) raw(n protowire.Number, content []byte) {
	w.prepend(content)
	w.length(n, len(content))
}

func (w *wire) text(n protowire.Number, s string) {
	if s != "" {
		w.raw(n, []byte(s))
	}
}

func (w *wire) varint(n protowire.Number, v uint64) {
	if v != 0 {
		w.prepend(protowire.AppendVarint(protowire.AppendTag(w.scratch[:0], n, protowire.VarintType), v))
	}
}

func (w *wire) fixed32(n protowire.Number, v uint32) {
	if v != 0 {
		w.prepend(protowire.AppendFixed32(protowire.AppendTag(w.scratch[:0], n, protowire.Fixed32Type), v))
	}
}

func (w *wire) fixed64(n protowire.Number, v uint64) {
	if v != 0 {
		w.prepend(protowire.AppendFixed64(protowire.AppendTag(w.scratch[:0], n, protowire.Fixed64Type), v))
	}
}

// keyValues writes the entries of a map as repeated KeyValue.
func (w *wire) keyValues(n protowire.Number, m event.Map) {
	for _, kv := range slices.Backward(m) {
		w.message(n, func() {
			w.message(2, func() { w.anyValue(kv.Value) })
			w.text(1, kv.Key)
		})
	}
}

// anyValue writes an AnyValue of opentelemetry/proto/common/v1/common.proto. Its
// oneof members are there even if they are zero.
func (w *wire) anyValue(v any) {
	switch v := v.(type) {
	case string:
		w.raw(1, []byte(v))
	case bool:
		w.prepend(protowire.AppendVarint(protowire.AppendTag(w.scratch[:0], 2, protowire.VarintType), protowire.EncodeBool(v)))
	case int64:
		w.prepend(protowire.AppendVarint(protowire.AppendTag(w.scratch[:0], 3, protowire.VarintType), uint64(v)))
	case float64:
		w.prepend(protowire.AppendFixed64(protowire.AppendTag(w.scratch[:0], 4, protowire.Fixed64Type), math.Float64bits(v)))
	case []any:
		w.message(5, func() {
			for _, element := range slices.Backward(v) {
				w.message(1, func() { w.anyValue(element) })
			}
		})
	case event.Withheld:
		w.anyValue(event.Map{{Key: "$commit", Value: base64.StdEncoding.EncodeToString(v[:])}})
	case event.Map:
		w.message(6, func() { w.keyValues(1, v) })
	case []byte:
		w.raw(7, v)
	}
}
