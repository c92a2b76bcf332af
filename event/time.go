// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"math"
	"time"
)

// The layout of times: RFC 3339, UTC, nine digits of fraction.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// secondText is a time's text up to the whole second. Times that come in a row
// are mostly of the same second, or of two.
type secondText struct {
	second uint64
	text   [len("2006-01-02T15:04:05.")]byte
}

// set makes it the text of a second since the Unix epoch.
func (s *secondText) set(second uint64) {
	if second == s.second && s.text[0] != 0 {
		return
	}
	s.second = second
	time.Unix(int64(second), 0).UTC().AppendFormat(s.text[:0], "2006-01-02T15:04:05.")
}

// append appends nanoseconds since the Unix epoch as a time in quotes.
func (s *secondText) append(dst []byte, ns uint64) []byte {
	s.set(ns / 1e9)
	var text [len(timeLayout) + 2]byte
	text[0] = '"'
	at := 1 + copy(text[1:], s.text[:])
	rest := uint32(ns % 1e9)
	for i := at + 7; i > at; i -= 2 {
		pair := rest % 100
		text[i], text[i+1] = '0'+byte(pair/10), '0'+byte(pair%10)
		rest /= 100
	}
	text[at], text[at+9], text[at+10] = '0'+byte(rest), 'Z', '"'
	return append(dst, text[:]...)
}

// FormatTime returns a time, in nanoseconds since the Unix epoch, as events have it.
func FormatTime(ns uint64) string {
	text := appendTime(nil, ns)
	return string(text[1 : len(text)-1])
}

// appendTime appends nanoseconds since the Unix epoch as a time in quotes.
func appendTime(dst []byte, ns uint64) []byte {
	var s secondText
	return s.append(dst, ns)
}

// parseTime reads what appendTime writes, without the quotes, and nothing else:
// unlike time.Parse, which takes a comma for the point.
func parseTime(b []byte) (ns uint64, ok bool) {
	if len(b) != len(timeLayout) {
		return 0, false
	}
	for i := range b {
		if isDigit(timeLayout[i]) != isDigit(b[i]) || !isDigit(b[i]) && b[i] != timeLayout[i] {
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

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
