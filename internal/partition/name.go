// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package partition

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// MaxName is the length of the longest name, in bytes.
const MaxName = 96

// The names that are no value's. A value's own name never begins with '_'.
const (
	// None is for records without the attribute.
	None = "_none"
	// Other is for values that are neither text nor a whole number nor a boolean.
	Other = "_other"
	// Overflow is for values that have no partition because there are too many.
	Overflow = "_overflow"
)

const (
	empty     = "_empty" // the text of no bytes
	intPrefix = "_int-"
	isTrue    = "_bool-true"
	isFalse   = "_bool-false"
)

// hashMark stands before the hash in the name of a long value. It is never part of
// another name.
const hashMark = '~'

// maxReadable is how much of a long value's name is there to be read.
const maxReadable = MaxName - 1 - 2*sha256.Size

const lowerHex = "0123456789abcdef"

// Special reports whether a name is one that no value can take up: [None], [Other] or
// [Overflow].
func Special(name string) bool { return name == None || name == Other || name == Overflow }

// NameOf returns the name for the value of an attribute: see [Name] for text. Whole
// numbers and booleans are told from text that reads the same; all else is [Other].
func NameOf(v pcommon.Value) string {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return Name(v.Str())
	case pcommon.ValueTypeInt:
		return intPrefix + strconv.FormatInt(v.Int(), 10)
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return isTrue
		}
		return isFalse
	default:
		return Other
	}
}

// Name returns the name for a text: lower-case ASCII letters, digits and "-._" stand for
// themselves, any other byte is written as % and two lower-case hexadecimal digits. So is
// the first byte of a name that would begin with '.', '-' or '_' or that means something
// to the log's own format or to a file system, and a '.' at the end. A name that is
// longer than [MaxName] is cut, and ends in '~' and the SHA-256 of the text: two of those
// differ unless SHA-256 has been broken.
func Name(text string) string {
	if text == "" {
		return empty
	}
	if isPlain(text) {
		return text
	}
	return escape(text)
}

// isPlain reports whether a text is its own name.
func isPlain(text string) bool {
	if len(text) > MaxName || text[len(text)-1] == '.' {
		return false
	}
	for i := range len(text) {
		if !stands(text[i]) {
			return false
		}
	}
	return !startsBadly(text)
}

// stands reports whether a byte stands for itself.
func stands(b byte) bool {
	return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '.' || b == '_'
}

func escape(text string) string {
	// What is behind the first bytes of a long text shows in the hash alone.
	name := escapeHead(text[:min(len(text), MaxName+1)], !startsBadly(text))
	if len(text) <= MaxName && len(name) <= MaxName {
		if last := len(name) - 1; name[last] == '.' {
			name = name[:last] + "%2e"
		}
		if len(name) <= MaxName {
			return name
		}
	}
	end := maxReadable
	for i := 1; i <= 2; i++ { // not in the middle of an escape
		if name[end-i] == '%' {
			end -= i
			break
		}
	}
	sum := sha256.Sum256([]byte(text))
	return name[:end] + string(hashMark) + hex.EncodeToString(sum[:])
}

// escapeHead writes a text, or the beginning of one; first says whether its first byte
// may stand for itself.
func escapeHead(text string, first bool) string {
	var b strings.Builder
	b.Grow(MaxName)
	for i := range len(text) {
		if c := text[i]; stands(c) && (i > 0 || first) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', lowerHex[c>>4], lowerHex[c&15]})
		}
	}
	return b.String()
}

// startsBadly reports whether the first byte of a text must not stand for itself.
func startsBadly(text string) bool {
	switch text[0] {
	case '.', '-', '_':
		return true
	}
	return isDevice(text) || len(text) <= MaxName && isOfLog(text)
}

// isOfLog reports whether a file of this name is part of a log.
func isOfLog(name string) bool {
	switch name {
	case sidefile.CheckpointName, sidefile.KeyChangesName, sidefile.PrunedRangesName:
		return true
	}
	_, err := segment.ParseName(name)
	return err == nil || sidefile.IsTornName(name)
}

// isDevice reports whether Windows takes the name, whatever follows a dot, for a
// device's: a copy of the log may be looked at there.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(name[:min(len(name), len("com1."))], ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (base[:3] == "com" || base[:3] == "lpt") && '0' <= base[3] && base[3] <= '9'
}

// ErrNotReversible: the name of a long value holds a hash of it. The value is in every
// event of the partition.
var ErrNotReversible = errors.New("the name of a long value does not tell the value")

// Text returns the text that a name stands for: the inverse of [Name]. A name that is
// good and stands for no text, such as [None], or for a long one is refused with an error
// that wraps [ErrNotReversible].
func Text(name string) (string, error) {
	switch {
	case name == empty:
		return "", nil
	case isOwn(name), isHashed(name):
		return "", fmt.Errorf("%q: %w", name, ErrNotReversible)
	}
	text, err := unescape(name)
	if err == nil && (text == "" || Name(text) != name) {
		err = errors.New("no text has it")
	}
	if err != nil {
		return "", fmt.Errorf("%q is not the name of a partition: %w", name, err)
	}
	return text, nil
}

// unescape undoes what escapes there are, without asking whether they have to be.
func unescape(name string) (string, error) {
	var b strings.Builder
	for rest := name; rest != ""; {
		if rest[0] != '%' {
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		if len(rest) < 3 {
			return "", errors.New("it ends in half an escape")
		}
		high, low := strings.IndexByte(lowerHex, rest[1]), strings.IndexByte(lowerHex, rest[2])
		if high < 0 || low < 0 {
			return "", fmt.Errorf("%q is no escape", rest[:3])
		}
		b.WriteByte(byte(high<<4 | low))
		rest = rest[3:]
	}
	return b.String(), nil
}

// Valid reports whether a value has this name, or records without one.
func Valid(name string) bool {
	_, err := Text(name)
	return err == nil || errors.Is(err, ErrNotReversible)
}

// isOwn reports whether a name is one that begins with '_' and is not [empty].
func isOwn(name string) bool {
	if number, ok := strings.CutPrefix(name, intPrefix); ok {
		n, err := strconv.ParseInt(number, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == number
	}
	return Special(name) || name == isTrue || name == isFalse
}

// isHashed reports whether a name has the form of a long value's.
func isHashed(name string) bool {
	readable, sum, ok := strings.Cut(name, string(hashMark))
	if !ok || len(sum) != 2*sha256.Size || strings.Trim(sum, lowerHex) != "" {
		return false
	}
	// At most two bytes of an escape have been cut off.
	if len(readable) > maxReadable || len(readable) < maxReadable-2 {
		return false
	}
	text, err := unescape(readable)
	if err != nil {
		return false
	}
	// Only of the first byte it depends on the rest of the text whether it is escaped.
	for _, first := range []bool{false, true} {
		if escapeHead(text, first) == readable {
			return !first || !startsBadly(text)
		}
	}
	return false
}
