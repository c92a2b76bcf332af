// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func example() *proof.Inclusion {
	return &proof.Inclusion{
		Line:       []byte(`{"event":{}}`),
		Log:        signing.LogID{7},
		KeyChanges: [][]byte{[]byte("a key change\n\n\u2014 x y\n")},
		Commit:     []byte(`{"commit":{"number":2}}`), CommitIndex: 8, CommitPath: []tlog.Hash{{6}},
		Index:      7,
		Path:       []tlog.Hash{{1}, {2}, {3}},
		Checkpoint: []byte("test.example/auditlog\n9\nAAAA\n\n\u2014 test.example/auditlog AAAAAAA=\n"),
	}
}

func TestProofText(t *testing.T) {
	const want = `c2sp.org/tlog-proof@v1
extra eyJldmVudCI6e319CnsibG9nIjoiQndBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQT0ifQp7ImtleV9jaGFuZ2UiOiJhIGtleSBjaGFuZ2Vcblxu4oCUIHggeVxuIn0KeyJjb21taXQiOnsibnVtYmVyIjoyfX0KeyJjb21taXRfaW5kZXgiOjgsImNvbW1pdF9wYXRoIjpbIkJnQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE9Il19Cg==
index 7
AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
AwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

test.example/auditlog
9
AAAA

` + "\u2014" + ` test.example/auditlog AAAAAAA=
`
	text := example().Marshal()
	assert.Equal(t, want, string(text), "text\n%s\nwant\n", text)
	p, err := proof.Parse(text)
	assert.NoError(t, err, "parsed")
	assert.Equal(t, example(), p, "parsed")
	led := example()
	led.KeyChangePath = []tlog.Hash{{4}, {5}}
	if p, err := proof.Parse(led.Marshal()); err != nil || !reflect.DeepEqual(p, led) {
		t.Errorf("with the path to a key change: parsed %+v, %v", p, err)
	}
	large := example()
	large.Line = bytes.Repeat([]byte("x"), 32<<20)
	if p, err := proof.Parse(large.Marshal()); err != nil || len(p.Line) != 32<<20 {
		t.Errorf("the largest line: %v", err)
	}
}

// extra is a proof's text with some lines as its extra data.
func extra(lines ...string) string {
	good := string(example().Marshal())
	data := base64.StdEncoding.EncodeToString([]byte(strings.Join(lines, "\n") + "\n"))
	return good[:strings.Index(good, "extra ")] + "extra " + data + good[strings.Index(good, "\nindex"):]
}

// logLine is the line with the id of the example's log.
const logLine = `{"log":"BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`

// commitLines are the lines that end the extra data.
var commitLines = []string{`{"commit":{"number":2}}`, commitPath("8", hash4)}

const hash4 = "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

func commitPath(index, hashes string) string {
	return `{"commit_index":` + index + `,"commit_path":["` + hashes + `"]}`
}

// committed is [extra] with these, after an event and a log id.
func committed(lines ...string) string {
	return extra(slices.Concat([]string{`{"event":{}}`, logLine}, lines, commitLines)...)
}

func keyChangePath(hashes string) string { return `{"key_change_path":["` + hashes + `"]}` }

func TestProofTextRefused(t *testing.T) {
	_, err := proof.Parse([]byte(committed(keyChangePath(hash4))))
	require.NoError(t, err, "what others are made from")
	for _, none := range []string{"", "c2sp.org/tlog-proof@v2\n", "\ufeffc2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\r\n", "{}"} {
		_, err := proof.Parse([]byte(none))
		assert.ErrorIs(t, err, proof.ErrNone, none)
	}
	good := string(example().Marshal())
	for name, bad := range map[string]string{
		"empty":                          "",
		"title only":                     "c2sp.org/tlog-proof@v1\n",
		"another version":                strings.Replace(good, "@v1", "@v2", 1),
		"no extra":                       strings.Replace(good, "extra ", "extra: ", 1),
		"extra not base64":               strings.Replace(good, "extra ", "extra !", 1),
		"extra without a line":           strings.Replace(good, good[strings.Index(good, "extra "):strings.Index(good, "index")], "extra \n", 1),
		"extra of junk":                  committed("junk"),
		"leading zero":                   strings.Replace(good, "index 7", "index 07", 1),
		"negative index":                 strings.Replace(good, "index 7", "index -7", 1),
		"huge index":                     strings.Replace(good, "index 7", "index 9007199254740992", 1),
		"short hash":                     strings.Replace(good, "AQAAAAAAAAAA", "AQAAAAAAAA", 1),
		"stray bits":                     strings.Replace(good, "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", 1),
		"too many hashes":                strings.Replace(good, "AQAA", strings.Repeat("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 61)+"AQAA", 1),
		"no checkpoint":                  good[:strings.Index(good, "\n\n")+1],
		"carriage returns":               strings.ReplaceAll(good, "\n", "\r\n"),
		"something before":               "\n" + good,
		"checkpoint of a MiB":            good + strings.Repeat("x", 1<<20),
		"no log id":                      extra(`{"event":{}}`),
		"a log id cut off":               extra(`{"event":{}}`, `{"log":"BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=`),
		"a short log id":                 extra(`{"event":{}}`, `{"log":"BwAA"}`),
		"stray bits in it":               extra(`{"event":{}}`, `{"log":"BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB="}`),
		"a path not at the end":          committed(keyChangePath("BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), `{"key_change":"x"}`),
		"no commit":                      extra(`{"event":{}}`, logLine, commitLines[1]),
		"no path of the commit":          extra(`{"event":{}}`, logLine, commitLines[0]),
		"no line after the id":           extra(`{"event":{}}`, logLine),
		"two commits":                    extra(`{"event":{}}`, logLine, commitLines[0], commitLines[0], commitLines[1]),
		"a line after all":               extra(`{"event":{}}`, logLine, commitLines[0], commitLines[1], commitLines[1]),
		"the commit first":               extra(`{"event":{}}`, logLine, commitLines[0], keyChangePath(hash4), commitLines[1]),
		"a commit's index of 0 digits":   extra(`{"event":{}}`, logLine, commitLines[0], commitPath("", hash4)),
		"a commit's index with a zero":   extra(`{"event":{}}`, logLine, commitLines[0], commitPath("08", hash4)),
		"a commit's index too large":     extra(`{"event":{}}`, logLine, commitLines[0], commitPath("9007199254740992", hash4)),
		"a commit's path of nothing":     extra(`{"event":{}}`, logLine, commitLines[0], commitPath("8", "")),
		"a commit's path without an end": extra(`{"event":{}}`, logLine, commitLines[0], strings.TrimSuffix(commitLines[1], "}")),
		"two paths":                      committed(keyChangePath("BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), keyChangePath("BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
		"a path of nothing":              committed(`{"key_change_path":[]}`),
		"a path of no hash":              committed(keyChangePath("")),
		"a path with a space":            committed(`{"key_change_path": ["BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]}`),
		"a path cut off":                 committed(`{"key_change_path":["BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=`),
		"stray bits in a path":           committed(keyChangePath("BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=")),
		"a path of 64 hashes":            committed(keyChangePath(strings.TrimSuffix(strings.Repeat(`BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","`, 64), `","`))),
	} {
		p, err := proof.Parse([]byte(bad))
		assert.Error(t, err, "%s: parsed %+v", name, p)
	}
}

// A text that was cut off anywhere is told from one that contradicts itself.
func TestProofTextCutOff(t *testing.T) {
	led := example()
	led.KeyChangePath = []tlog.Hash{{4}, {5}}
	alone := example()
	alone.Path = nil
	for _, p := range []*proof.Inclusion{example(), led, alone} {
		text := p.Marshal()
		for n := range text {
			if _, err := proof.Parse(text[:n]); !errors.Is(err, proof.ErrNone) && (err == nil || !strings.Contains(err.Error(), "it is cut off")) {
				t.Errorf("%d of %d bytes: %v", n, len(text), err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example().Marshal())
	led := example()
	led.KeyChangePath = []tlog.Hash{{4}, {5}}
	f.Add(led.Marshal())
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra eA==\nindex 0\n\nx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := proof.Parse(text)
		if err == nil && !bytes.Equal(p.Marshal(), text) {
			t.Errorf("%q has another form", text)
		}
	})
}
