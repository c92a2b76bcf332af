// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

func TestKindOf(t *testing.T) {
	for in, want := range map[string]segment.Kind{
		`{"segment":{}}`:             segment.KindHeader,
		`{"event":{}}`:               segment.KindEvent,
		`{"checkpoint":""}`:          segment.KindCheckpoint,
		``:                           segment.KindUnknown,
		` {"event":{}}`:              segment.KindUnknown,
		`{ "event":{}}`:              segment.KindUnknown,
		`{"events":{}}`:              segment.KindUnknown,
		"\xef\xbb\xbf{\"event\":{}}": segment.KindUnknown,
	} {
		if got := segment.KindOf([]byte(in)); got != want {
			t.Errorf("KindOf(%q) = %d, want %d", in, got, want)
		}
	}
}

func TestParseEvent(t *testing.T) {
	for _, tt := range []struct {
		name, in  string
		form      segment.Form
		canonical string
		signature string
		keyID     string
	}{
		{"bare", `{"event":{"a":1}}`, segment.FormBare, `{"a":1}`, "", ""},
		{"unsigned", `{"event":{"a":1},"signature":null}`, segment.FormUnsigned, `{"a":1}`, "", ""},
		{"signed", `{"event":{"a":1},"signature":"c2ln","signature_key_id":"0123456789abcdef"}`, segment.FormSigned, `{"a":1}`, "sig", "0123456789abcdef"},
		{
			"an event that quotes an event line", `{"event":{"a":",\"signature\":\"eA==\",\"signature_key_id\":\"0123456789abcdef\"}"},"signature":"c2ln","signature_key_id":"0123456789abcdef"}`,
			segment.FormSigned, `{"a":",\"signature\":\"eA==\",\"signature_key_id\":\"0123456789abcdef\"}"}`, "sig", "0123456789abcdef",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := segment.ParseEvent([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if got.Form != tt.form || string(got.Canonical) != tt.canonical || string(got.Signature) != tt.signature || got.KeyID != tt.keyID {
				t.Errorf("got %+v (canonical %s)", got, got.Canonical)
			}
		})
	}
}

func TestParseEventRefuses(t *testing.T) {
	const good = `{"event":{"a":1},"signature":"c2ln","signature_key_id":"0123456789abcdef"}`
	for name, in := range map[string]string{
		"empty":                ``,
		"another kind":         `{"checkpoint":""}`,
		"no event":             `{"event":}`,
		"cut off":              good[:len(good)-1],
		"trailing space":       good + " ",
		"upper-case key id":    strings.Replace(good, "abcdef", "ABCDEF", 1),
		"short key id":         strings.Replace(good, "0123456789abcdef", "0123456789abcde", 1),
		"long key id":          strings.Replace(good, "0123456789abcdef", "0123456789abcdef0", 1),
		"no signature":         `{"event":{"a":1},"signature_key_id":"0123456789abcdef"}`,
		"stray base64 bits":    strings.Replace(good, "c2ln", "c2lnZ/==", 1),
		"unpadded base64":      strings.Replace(good, "c2ln", "c2lnZw", 1),
		"members swapped":      `{"event":{"a":1},"signature_key_id":"0123456789abcdef","signature":"c2ln"}`,
		"base64 line break":    strings.Replace(good, "c2ln", "c2\nln", 1),
		"an endless signature": strings.Replace(good, "c2ln", strings.Repeat("c2ln", 1000), 1),
	} {
		if got, err := segment.ParseEvent([]byte(in)); err == nil && !(name == "cut off") {
			t.Errorf("%s: ParseEvent(%q) = %+v, want an error", name, in, got)
		} else if name == "cut off" && err == nil && got.Form != segment.FormBare {
			t.Errorf("cut off: got %+v", got)
		}
	}
}

// Whatever parses is, put together again, the same line.
func TestEventLineRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		canonical := []byte(rapid.StringMatching(`\{"[a-z]{0,5}":[0-9]{1,3}\}`).Draw(t, "canonical"))
		signature := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "signature")
		id := rapid.StringMatching(`[0-9a-f]{16}`).Draw(t, "id")
		line := segment.AppendSignature(append(segment.AppendEventStart(nil), canonical...), signature, id)
		got, err := segment.ParseEvent(line)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Canonical, canonical) || !bytes.Equal(got.Signature, signature) || got.KeyID != id {
			t.Fatalf("%s parsed as %+v", line, got)
		}
	})
}

func TestCheckpointRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		note := []byte(rapid.String().Draw(t, "note"))
		line := segment.AppendCheckpoint(nil, note)
		canonical, err := jcs.Transform(line)
		if err != nil || !bytes.Equal(canonical, line) {
			t.Fatalf("%s is not canonical: %s, %v", line, canonical, err)
		}
		got, err := segment.ParseCheckpoint(line)
		if err != nil || !bytes.Equal(got, note) {
			t.Fatalf("ParseCheckpoint(%s) = %q, %v", line, got, err)
		}
	})
}

func TestParseCheckpointRefuses(t *testing.T) {
	for _, in := range []string{
		``, `{"checkpoint":`, `{"checkpoint":}`, `{"checkpoint":"}`, `{"checkpoint":"a"`, `{"checkpoint":"a"} `,
		`{"checkpoint": "a"}`, `{"checkpoint":"a","b":1}`, `{"checkpoint":"\/"}`, `{"checkpoint":"\u000a"}`, `{"checkpoint":"\u0041"}`,
		`{"checkpoint":"\u001F"}`, `{"checkpoint":"\u00"}`, "{\"checkpoint\":\"\n\"}", "{\"checkpoint\":\"\xff\"}", `{"checkpoint":"\"}`, `{"checkpoint":null}`,
	} {
		if got, err := segment.ParseCheckpoint([]byte(in)); err == nil {
			t.Errorf("ParseCheckpoint(%q) = %q, want an error", in, got)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(`{"event":{"a":1}}`))
	f.Add([]byte(`{"event":{"a":1},"signature":null}`))
	f.Add([]byte(`{"event":{"a":1},"signature":"c2ln","signature_key_id":"0123456789abcdef"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := segment.ParseEvent(in)
		if err != nil {
			return
		}
		line := append(segment.AppendEventStart(nil), got.Canonical...)
		switch got.Form {
		case segment.FormSigned:
			line = segment.AppendSignature(line, got.Signature, got.KeyID)
		case segment.FormUnsigned:
			line = segment.AppendNullSignature(line)
		case segment.FormBare:
			line = segment.AppendNoSignature(line)
		}
		if !bytes.Equal(line, in) {
			t.Errorf("%q parses, but is written %q", in, line)
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add([]byte(`{"checkpoint":"log\n1\nAA==\n\n— log AA==\n"}`))
	f.Add([]byte(`{"checkpoint":"\u0000\"\\"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		note, err := segment.ParseCheckpoint(in)
		if err != nil {
			return
		}
		if !utf8.Valid(note) {
			t.Errorf("%q parses as %q", in, note)
		}
		if line := segment.AppendCheckpoint(nil, note); !bytes.Equal(line, in) {
			t.Errorf("%q parses, but is written %q", in, line)
		}
	})
}
