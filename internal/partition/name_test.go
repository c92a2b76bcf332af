// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package partition_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/partition"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

func TestName(t *testing.T) {
	for text, want := range map[string]string{
		"acme":         "acme",
		"acme-corp_7":  "acme-corp_7",
		"a.b.example":  "a.b.example",
		"42":           "42",
		"audit-team":   "audit-team",
		"none":         "none",
		"con-man":      "con-man",
		"com12":        "com12",
		"Acme":         "%41cme",
		"acme corp":    "acme%20corp",
		"a+b":          "a%2bb",
		"50%":          "50%25",
		"":             "_empty",
		"_none":        "%5fnone",
		"_empty":       "%5fempty",
		"_int-1":       "%5fint-1",
		".":            "%2e",
		"..":           "%2e%2e",
		"...":          "%2e.%2e",
		"../x":         "%2e.%2fx",
		"/etc/passwd":  "%2fetc%2fpasswd",
		"a\\b":         "a%5cb",
		".lock":        "%2elock",
		"a.":           "a%2e",
		"-rf":          "%2drf",
		"~":            "%7e",
		"a\x00b":       "a%00b",
		"line\nfeed":   "line%0afeed",
		"checkpoint":   "%63heckpoint",
		"key-changes":  "%6bey-changes",
		"con":          "%63on",
		"nul.txt":      "%6eul.txt",
		"lpt1":         "%6cpt1",
		"acmé":         "acm%c3%a9",
		"acme\u0301":   "acme%cc%81",
		"\u0430cme":    "%d0%b0cme", // a Cyrillic letter that looks like a
		"\xff\xfe":     "%ff%fe",
		"a\u202eb":     "a%e2%80%aeb",
		"audit-0.json": "audit-0.json",
		"torn-00000000000000000000-0123456789abcdef.tail": "%74orn-00000000000000000000-0123456789abcdef.tail",

		strings.Repeat("a", 96): strings.Repeat("a", 96),
		// Long texts: what can be read, and their SHA-256, as sha256sum gives it.
		strings.Repeat("a", 97):       strings.Repeat("a", 31) + "~2a2c60fe96afac9151d4bd932fdb45be2c7e175e02b0598426cac15c38511cb4",
		strings.Repeat("a", 95) + ".": strings.Repeat("a", 31) + "~d608905c366d591ff00342e901c9cc785058f915a9578aa508baaaf9398c582f",
		strings.Repeat("\xff", 33):    strings.Repeat("%ff", 10) + "~ffb8b6e27a06ffb98ecf60d261a6818cdc573f8256f06429000a2b125b070c37",
	} {
		got := partition.Name(text)
		assert.Equal(t, want, got, text)
		good(t, got)
	}
}

func TestLongTexts(t *testing.T) {
	long := strings.Repeat("0", 10_000)
	seen := map[string]bool{}
	for _, text := range []string{long, long + "0", long + "1", "1" + long[1:], strings.Repeat("%", 40), strings.Repeat("%", 41), strings.Repeat("\xff", 5000), strings.ToUpper(strings.Repeat("x", 33)), "con." + strings.Repeat("ü", 30), "_" + long} {
		name := partition.Name(text)
		good(t, name)
		assert.False(t, seen[name], "%.40q", text)
		assert.LessOrEqual(t, len(name), partition.MaxName, "%.40q", text)
		assert.Contains(t, name, "~", "%.40q", text)
		seen[name] = true
		_, err := partition.Text(name)
		assert.ErrorIs(t, err, partition.ErrNotReversible, name)
	}
}

// good checks what holds for every name.
func good(t testing.TB, name string) {
	t.Helper()
	require.NotEmpty(t, name, "is too long, or not in lower case")
	require.LessOrEqual(t, len(name), partition.MaxName, "is too long, or not in lower case")
	require.Equal(t, name, strings.ToLower(name), "is too long, or not in lower case")
	require.Empty(t, strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-._%~"), "%q has a character that it must not have", name)
	require.False(t, strings.ContainsAny(name[:1], ".-"), "is not fit for a file's name")
	require.False(t, strings.HasSuffix(name, "."), "is not fit for a file's name")
	require.True(t, filepath.IsLocal(name), "is not fit for a file's name")
	require.Equal(t, name, filepath.Base(name), "is not fit for a file's name")
	require.NoError(t, signednote.ValidateOrigin("host.example.com/auditlog/"+name))
	require.True(t, partition.Valid(name), "is not taken for a name")
}

// A name is a device's on Windows if it begins like one, however long it is.
func TestNoNameIsADevice(t *testing.T) {
	for _, begins := range []string{"con.", "prn.", "aux.", "nul.", "com1.", "lpt9."} {
		for _, n := range []int{1, 80, 97, 500} {
			name := partition.Name(begins + strings.Repeat("a", n))
			assert.False(t, strings.HasPrefix(name, begins))
			good(t, name)
		}
		assert.False(t, partition.Valid(begins+partition.Name(strings.Repeat("a", 500))[len(begins):]), "is taken for a name")
	}
}

func TestNameOf(t *testing.T) {
	values := map[string]pcommon.Value{
		"42":          pcommon.NewValueStr("42"),
		"_int-42":     pcommon.NewValueInt(42),
		"_int--1":     pcommon.NewValueInt(-1),
		"true":        pcommon.NewValueStr("true"),
		"_bool-true":  pcommon.NewValueBool(true),
		"_bool-false": pcommon.NewValueBool(false),
		"_empty":      pcommon.NewValueStr(""),
	}
	for want, v := range values {
		assert.Equal(t, want, partition.NameOf(v))
		good(t, want)
	}
	for _, v := range []pcommon.Value{pcommon.NewValueDouble(1), pcommon.NewValueEmpty(), pcommon.NewValueMap(), pcommon.NewValueSlice(), pcommon.NewValueBytes()} {
		if got := partition.NameOf(v); got != partition.Other {
			t.Errorf("%s: %q", v.Type(), got)
		}
	}
}

// What is not the name of a partition may lie beside them.
func TestWhatIsNoName(t *testing.T) {
	for _, name := range []string{
		"", ".", "..", ".lock", "lost+found", "Acme", "-x", "a.", "a b", "a/b", "%61cme", "%4Acme", "%4", "%", "%zz", "a%62", "_x", "_None", "_int-", "_int-01", "_int-+1", "_int-9223372036854775808", "_bool-1", "con", "checkpoint",
		"é", strings.Repeat("a", 97), strings.Repeat("a", 31) + "~" + strings.Repeat("0", 63), strings.Repeat("a", 31) + "~" + strings.Repeat("G", 64),
		"~" + strings.Repeat("0", 64), "-" + strings.Repeat("a", 30) + "~" + strings.Repeat("0", 64), strings.Repeat("a", 28) + "%61~" + strings.Repeat("0", 64), strings.Repeat("a", 31) + "~" + strings.Repeat("0", 64) + "~",
	} {
		assert.False(t, partition.Valid(name), "is taken for the name of a partition")
	}
	for _, name := range []string{partition.None, partition.Other, partition.Overflow} {
		good(t, name)
		assert.True(t, partition.Special(name), "can be taken by a value")
	}
}

// texts are of bytes that matter to names, and of any.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) }),
		rapid.StringMatching(`[-._%~a-cA-C0-2 /\\]{0,8}`),
		rapid.StringMatching(`(con|nul|com1|checkpoint|_none|_empty|_int-1|audit-[0-9]{20}-20261123T100000Z\.jsonl)[.a]{0,2}(zst|gz|tmp)?`),
		rapid.StringMatching(`[a%.ä]{25,120}`),
	)
}

func TestNamesAreInjectiveAndSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := texts().Draw(t, "a"), texts().Draw(t, "b")
		name := partition.Name(a)
		goodName(t, name)
		require.Equal(t, a == b, partition.Name(b) == name, "%q and %q: %q, %q", a, b, name, partition.Name(b))
		require.False(t, partition.Special(name), "%q has the name", a)
		switch back, err := partition.Text(name); {
		case err == nil && back != a:
			t.Fatalf("%q comes back as %q", a, back)
		case err != nil && !strings.Contains(name, "~"):
			t.Fatalf("%q: %v", a, err)
		}
	})
}

func goodName(t *rapid.T, name string) {
	require.NotEmpty(t, name, "is not safe")
	require.LessOrEqual(t, len(name), partition.MaxName, "is not safe")
	require.Equal(t, name, strings.ToLower(name), "is not safe")
	require.True(t, filepath.IsLocal(name), "is not safe")
	require.Equal(t, name, filepath.Base(name), "is not safe")
	require.False(t, strings.ContainsAny(name[:1], ".-"), "is not safe")
	require.False(t, strings.HasSuffix(name, "."), "is not safe")
	require.True(t, partition.Valid(name), "is not safe")
	_, err := segment.ParseName(name)
	require.Error(t, err, "is a log's file")
	require.False(t, sidefile.IsTornName(name), "is a log's file")
	require.NotEqual(t, sidefile.CheckpointName, name, "is a log's file")
	require.NotEqual(t, durable.LockName, name, "is a log's file")
	require.NoError(t, signednote.ValidateOrigin("o/"+name))
}

// Each name can be a directory's, beside all the others.
func TestNamesMakeDirectories(t *testing.T) {
	root := t.TempDir()
	for _, text := range []string{"", ".", "..", "../x", "/", "a\x00b", strings.Repeat("ß", 5000), "Acme", "acme", "ACME", "con", ".lock", "\u212a", "k", "K", "a.", "a", "-", "~", "_none"} {
		assert.NoError(t, os.Mkdir(filepath.Join(root, partition.Name(text)), 0o700), "%.20q", text)
	}
	entries, err := os.ReadDir(root)
	assert.NoError(t, err)
	assert.Len(t, entries, 20)
}

func FuzzName(f *testing.F) {
	for _, text := range []string{"", "acme", "Acme", "../x", "a\x00b", "_none", "con.txt", strings.Repeat("a", 97), strings.Repeat("\xff", 40)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name := partition.Name(text)
		good(t, name)
		if back, err := partition.Text(name); err == nil && back != text || err != nil && !errors.Is(err, partition.ErrNotReversible) {
			t.Fatalf("%q: %q comes back as %q, %v", text, name, back, err)
		}
	})
}

// Whatever lies in a directory: a name that is accepted is the one that its text has.
func FuzzText(f *testing.F) {
	for _, name := range []string{"acme", "%41cme", "_none", "_int-1", "%2e.%2fx", partition.Name(strings.Repeat("a", 97)), partition.Name("con." + strings.Repeat("ü", 30))} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		text, err := partition.Text(name)
		switch {
		case err == nil && partition.Name(text) != name:
			t.Fatalf("%q: the name of %q is %q", name, text, partition.Name(text))
		case err == nil, errors.Is(err, partition.ErrNotReversible):
			good(t, name)
		case partition.Valid(name):
			t.Fatalf("%q: %v", name, err)
		}
	})
}
