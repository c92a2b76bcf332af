// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package timestamp has the times of the format: RFC 3339 in UTC with nine digits of fraction
// (docs/format.md, section 3), of nanoseconds since the Unix epoch in 64 bits without a sign.
package timestamp

import (
	"math"
	"time"
)

const (
	// Layout is the layout of times.
	Layout = WholeSecond + "000000000Z"
	// WholeSecond is the part of it that times within a second share.
	WholeSecond = "2006-01-02T15:04:05."
)

// Writer writes times. It remembers a time's text up to the whole second. Times that come in a row
// are mostly of the same second, or of two.
type Writer struct {
	second uint64
	text   [len(WholeSecond)]byte
}

// set makes it the text of a second since the Unix epoch.
func (w *Writer) set(second uint64) {
	if second == w.second && w.text[0] != 0 {
		return
	}
	w.second = second
	time.Unix(int64(second), 0).UTC().AppendFormat(w.text[:0], WholeSecond)
}

// Append appends nanoseconds since the Unix epoch as a time in quotes.
func (w *Writer) Append(dst []byte, ns uint64) []byte {
	w.set(ns / 1e9)
	var text [len(Layout) + 2]byte
	text[0] = '"'
	at := 1 + copy(text[1:], w.text[:])
	rest := uint32(ns % 1e9)
	for i := at + 7; i > at; i -= 2 {
		pair := rest % 100
		text[i], text[i+1] = '0'+byte(pair/10), '0'+byte(pair%10)
		rest /= 100
	}
	text[at], text[at+9], text[at+10] = '0'+byte(rest), 'Z', '"'
	return append(dst, text[:]...)
}

// Format returns a time, in nanoseconds since the Unix epoch, as the format has it.
func Format(ns uint64) string {
	text := Append(nil, ns)
	return string(text[1 : len(text)-1])
}

// Append appends nanoseconds since the Unix epoch as a time in quotes.
func Append(dst []byte, ns uint64) []byte {
	var w Writer
	return w.Append(dst, ns)
}

// Parse reads what Append writes, without the quotes, and nothing else:
// unlike time.Parse, which takes a comma for the point.
func Parse(b []byte) (ns uint64, ok bool) {
	if len(b) != len(Layout) {
		return 0, false
	}
	for i := range b {
		if isDigit(Layout[i]) != isDigit(b[i]) || !isDigit(b[i]) && b[i] != Layout[i] {
			return 0, false
		}
	}
	digits := func(from, to int) (n int) {
		for _, c := range b[from:to] {
			n = n*10 + int(c-'0')
		}
		return n
	}
	month, day, fraction := time.Month(digits(5, 7)), digits(8, 10), digits(20, 29)
	t := time.Date(digits(0, 4), month, day, digits(11, 13), digits(14, 16), digits(17, 19), fraction, time.UTC)
	// A field out of its range carries over into the next: no such time exists.
	if t.Month() != month || t.Day() != day || digits(11, 13) > 23 || digits(14, 16) > 59 || digits(17, 19) > 59 {
		return 0, false
	}
	const last, lastFraction = math.MaxUint64 / 1_000_000_000, math.MaxUint64 % 1_000_000_000
	second := t.Unix()
	if second < 0 || second > last || second == last && fraction > lastFraction {
		return 0, false
	}
	return uint64(second)*1e9 + uint64(fraction), true
}

// Nanoseconds returns the time in nanoseconds since the Unix epoch. Times before 1970 and
// after 2554 become the nearest that the format can hold.
func Nanoseconds(t time.Time) uint64 {
	const last = math.MaxUint64 / 1_000_000_000
	second := t.Unix()
	switch {
	case second < 0:
		return 0
	case second >= last:
		return last * 1e9
	default:
		return uint64(second)*1e9 + uint64(t.Nanosecond())
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
