// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gowebpki/jcs"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// FormName is the name, in events and in docs/ingress.md, of the canonical form that
// proofs are checked against.
const FormName = "audit-jcs-typed-1"

// The bounds of the form: what is beyond them has no canonical text, so that no
// producer can have signed it.
const (
	maxFormDepth = 128
	maxFormBytes = 2 << 20
	// maxFormMembers is how many members a map can have within maxFormBytes.
	maxFormMembers = maxFormBytes / len(`"":null,`)
)

// maxKeptEntries keeps one huge map from holding its memory for ever.
const maxKeptEntries = 1024

// integrityPrefix begins the attributes that are about a proof, which no proof covers.
const integrityPrefix = "audit.integrity."

// FormError is that a record has no text in the canonical form.
type FormError struct {
	Reason Reason
}

func (e *FormError) Error() string {
	return fmt.Sprintf("the record has no canonical form: %s", e.Reason.text())
}

// Form writes log records in canonical form. It is for one goroutine at a time; the
// zero value is ready for use.
type Form struct {
	// stack holds the entries of the maps around the value at hand.
	stack []formEntry
	start int // where the text begins
}

type formEntry struct {
	key   string
	value pcommon.Value
}

// Append appends a record's canonical text and returns the extended slice. If the
// record has none, the error is a [*FormError], and dst is returned as it was.
func (f *Form) Append(dst []byte, r plog.LogRecord) ([]byte, error) {
	f.start = len(dst)
	text, err := f.record(dst, r)
	clear(f.stack) // the record's memory is not to be kept
	f.stack = f.stack[:0]
	if cap(f.stack) > maxKeptEntries {
		f.stack = nil
	}
	if err != nil {
		return dst, err
	}
	return text, nil
}

// record appends the record's members in the order of their names.
func (f *Form) record(dst []byte, r plog.LogRecord) (_ []byte, err error) {
	dst = append(dst, '{')
	if anyOf(r.Attributes(), covered) {
		dst = append(dst, `"attributes":`...)
		if dst, err = f.members(dst, r.Attributes(), covered, 0); err != nil {
			return nil, err
		}
		dst = append(dst, ',')
	}
	if r.Body().Type() != pcommon.ValueTypeEmpty {
		dst = append(dst, `"body":`...)
		if dst, err = f.value(dst, r.Body(), 0); err != nil {
			return nil, err
		}
		dst = append(dst, ',')
	}
	if name := r.EventName(); name != "" {
		dst = append(dst, `"event_name":`...)
		if dst, err = f.text(dst, name); err != nil {
			return nil, err
		}
		dst = append(dst, ',')
	}
	dst = appendNanoseconds(dst, `"observed_timestamp":"`, r.ObservedTimestamp())
	if id := r.SpanID(); !id.IsEmpty() {
		dst = append(append(hex.AppendEncode(append(dst, `"span_id":"`...), id[:]), '"'), ',')
	}
	dst = appendNanoseconds(dst, `"timestamp":"`, r.Timestamp())
	if id := r.TraceID(); !id.IsEmpty() {
		dst = append(append(hex.AppendEncode(append(dst, `"trace_id":"`...), id[:]), '"'), ',')
	}
	return f.close(dst)
}

// appendNanoseconds appends a member and a comma, or nothing if the time is not set.
// Times beyond 2262 are negative: so they are where the form comes from.
func appendNanoseconds(dst []byte, name string, t pcommon.Timestamp) []byte {
	if t == 0 {
		return dst
	}
	dst = strconv.AppendInt(append(dst, name...), int64(t), 10)
	return append(dst, '"', ',')
}

// covered says which of a record's attributes the form has.
func covered(key string) bool { return !strings.HasPrefix(key, integrityPrefix) }

// everything says that a map within a value is covered whole.
func everything(string) bool { return true }

func anyOf(m pcommon.Map, wanted func(string) bool) bool {
	for k := range m.All() {
		if wanted(k) {
			return true
		}
	}
	return false
}

// value appends a value; depth counts the arrays and maps around it. A scalar stands in
// an object that names its type, so that no two types are written alike.
func (f *Form) value(dst []byte, v pcommon.Value, depth int) (_ []byte, err error) {
	if depth > maxFormDepth {
		return nil, &FormError{ReasonTooDeep}
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		if dst, err = f.text(append(dst, `{"stringValue":`...), v.Str()); err != nil {
			return nil, err
		}
	case pcommon.ValueTypeInt:
		dst = strconv.AppendInt(append(dst, `{"intValue":"`...), v.Int(), 10)
		dst = append(dst, '"')
	case pcommon.ValueTypeDouble:
		number, err := jcs.NumberToJSON(v.Double())
		if err != nil {
			return nil, &FormError{ReasonNotFinite}
		}
		dst = append(append(dst, `{"doubleValue":`...), number...)
	case pcommon.ValueTypeBool:
		dst = strconv.AppendBool(append(dst, `{"boolValue":`...), v.Bool())
	case pcommon.ValueTypeBytes:
		if base64.StdEncoding.EncodedLen(v.Bytes().Len()) > maxFormBytes {
			return nil, &FormError{ReasonTooLarge}
		}
		dst = base64.StdEncoding.AppendEncode(append(dst, `{"bytesValue":"`...), v.Bytes().AsRaw())
		dst = append(dst, '"')
	case pcommon.ValueTypeSlice:
		return f.elements(dst, v.Slice(), depth)
	case pcommon.ValueTypeMap:
		return f.members(dst, v.Map(), everything, depth+1)
	default:
		return append(dst, "null"...), nil
	}
	return append(dst, '}'), f.bound(dst)
}

func (f *Form) elements(dst []byte, s pcommon.Slice, depth int) (_ []byte, err error) {
	dst = append(dst, '[')
	for i := range s.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = f.value(dst, s.At(i), depth+1); err != nil {
			return nil, err
		}
		if err := f.bound(dst); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// members appends a map with its keys in order (RFC 8785, section 3.2.3); depth is that
// of its values.
func (f *Form) members(dst []byte, m pcommon.Map, wanted func(string) bool, depth int) (_ []byte, err error) {
	base := len(f.stack)
	for k, v := range m.All() {
		if !wanted(k) {
			continue
		}
		if len(f.stack)-base == maxFormMembers { // before they are sorted
			return nil, &FormError{ReasonTooLarge}
		}
		f.stack = append(f.stack, formEntry{k, v})
	}
	end := len(f.stack)
	slices.SortFunc(f.stack[base:end], func(a, b formEntry) int { return compareUTF16(a.key, b.key) })
	dst = append(dst, '{')
	for i := base; i < end; i++ {
		one := f.stack[i] // a nested map may have moved the stack
		if i > base && one.key == f.stack[i-1].key {
			return nil, &FormError{ReasonDuplicateKey}
		}
		if dst, err = f.text(dst, one.key); err != nil {
			return nil, err
		}
		if dst, err = f.value(append(dst, ':'), one.value, depth); err != nil {
			return nil, err
		}
		dst = append(dst, ',')
		if err := f.bound(dst); err != nil {
			return nil, err
		}
	}
	clear(f.stack[base:end])
	f.stack = f.stack[:base]
	return f.close(dst)
}

// close ends an object behind whose members stand commas.
func (f *Form) close(dst []byte) ([]byte, error) {
	if dst[len(dst)-1] == ',' {
		dst[len(dst)-1] = '}'
	} else {
		dst = append(dst, '}')
	}
	return dst, f.bound(dst)
}

func (f *Form) bound(dst []byte) error {
	if len(dst)-f.start > maxFormBytes {
		return &FormError{ReasonTooLarge}
	}
	return nil
}

// text appends a string (RFC 8785, section 3.2.2.2).
func (f *Form) text(dst []byte, s string) ([]byte, error) {
	if len(s) > maxFormBytes {
		return nil, &FormError{ReasonTooLarge}
	}
	if !utf8.ValidString(s) {
		return nil, &FormError{ReasonNotUTF8}
	}
	dst = append(dst, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		if short := shortEscapes[c]; short != 0 {
			dst = append(dst, '\\', short)
		} else {
			dst = append(dst, '\\', 'u', '0', '0')
			dst = hex.AppendEncode(dst, []byte{c})
		}
	}
	return append(append(dst, s[from:]...), '"'), nil
}

// shortEscapes are the characters that have an escape of two.
var shortEscapes = [256]byte{'"': '"', '\\': '\\', '\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r'}

// compareUTF16 orders strings by their UTF-16 code units. UTF-8 bytes order alike, but
// that characters beyond the Basic Multilingual Plane (first byte F0 and above) come
// before U+E000 to U+FFFF (EE, EF).
func compareUTF16(a, b string) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if (x >= 0xf0) != (y >= 0xf0) && x >= 0xee && y >= 0xee {
			x, y = y, x
		}
		return int(x) - int(y)
	}
	return len(a) - len(b)
}
