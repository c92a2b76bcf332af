// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gowebpki/jcs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

func TestKindOf(t *testing.T) {
	for in, want := range map[string]segline.Kind{
		`{"segment":{}}`:             segline.KindHeader,
		`{"event":{}}`:               segline.KindEvent,
		`{"checkpoint":""}`:          segline.KindCheckpoint,
		``:                           segline.KindUnknown,
		` {"event":{}}`:              segline.KindUnknown,
		`{ "event":{}}`:              segline.KindUnknown,
		`{"events":{}}`:              segline.KindUnknown,
		"\xef\xbb\xbf{\"event\":{}}": segline.KindUnknown,
	} {
		assert.Equal(t, want, segment.KindOf([]byte(in)), "KindOf(%q)", in)
	}
}

func TestParseEvent(t *testing.T) {
	for _, tt := range []struct {
		name, in  string
		canonical string
		signature string
		keyID     string
		unsigned  bool
	}{
		{"bare", `{"event":{"a":1}}`, `{"a":1}`, "", "", false},
		{"unsigned", `{"event":{"a":1},"signature":null}`, `{"a":1}`, "", "", true},
		{"signed", `{"event":{"a":1},"signature":"c2ln","signature_key_id":"0123456789abcdef"}`, `{"a":1}`, "sig", "0123456789abcdef", false},
		{
			"an event that quotes an event line", `{"event":{"a":",\"signature\":\"eA==\",\"signature_key_id\":\"0123456789abcdef\"}"},"signature":"c2ln","signature_key_id":"0123456789abcdef"}`,
			`{"a":",\"signature\":\"eA==\",\"signature_key_id\":\"0123456789abcdef\"}"}`, "sig", "0123456789abcdef", false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := segment.ParseEvent(nil, []byte(tt.in))
			require.NoError(t, err)
			assert.Equal(t, tt.unsigned, got.Unsigned, "got %+v (canonical %s)", got, got.Canonical)
			assert.Equal(t, tt.canonical, string(got.Canonical), "got %+v (canonical %s)", got, got.Canonical)
			assert.Equal(t, tt.signature, string(got.Signature), "got %+v (canonical %s)", got, got.Canonical)
			assert.Equal(t, tt.keyID, got.KeyID, "got %+v (canonical %s)", got, got.Canonical)
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
		if got, err := segment.ParseEvent(nil, []byte(in)); err == nil && !(name == "cut off") {
			t.Errorf("%s: ParseEvent(%q) = %+v, want an error", name, in, got)
		} else if name == "cut off" && err == nil && (got.KeyID != "" || got.Unsigned) {
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
		line := segline.AppendSignature(append(segline.AppendEventStart(nil), canonical...), signature, id)
		got, err := segment.ParseEvent(nil, line)
		require.NoError(t, err)
		require.Equal(t, canonical, got.Canonical, "%s parsed as %+v", line, got)
		require.Equal(t, signature, got.Signature, "%s parsed as %+v", line, got)
		require.Equal(t, id, got.KeyID, "%s parsed as %+v", line, got)
	})
}

func TestCheckpointRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		note := []byte(rapid.String().Draw(t, "note"))
		line := segline.AppendCheckpoint(nil, note)
		canonical, err := jcs.Transform(line)
		require.NoError(t, err)
		require.Equal(t, line, canonical)
		got, err := segment.ParseCheckpoint(line)
		require.NoError(t, err, "ParseCheckpoint(%s)", line)
		require.Equal(t, note, got, "ParseCheckpoint(%s)", line)
	})
}

func TestParseCheckpointRefuses(t *testing.T) {
	for _, in := range []string{
		``, `{"checkpoint":`, `{"checkpoint":}`, `{"checkpoint":"}`, `{"checkpoint":"a"`, `{"checkpoint":"a"} `,
		`{"checkpoint": "a"}`, `{"checkpoint":"a","b":1}`, `{"checkpoint":"\/"}`, `{"checkpoint":"\u000a"}`, `{"checkpoint":"\u0041"}`,
		`{"checkpoint":"\u001F"}`, `{"checkpoint":"\u00"}`, "{\"checkpoint\":\"\n\"}", "{\"checkpoint\":\"\xff\"}", `{"checkpoint":"\"}`, `{"checkpoint":null}`,
	} {
		got, err := segment.ParseCheckpoint([]byte(in))
		assert.Error(t, err, "ParseCheckpoint(%q) = %q, want an error", in, got)
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(`{"event":{"a":1}}`))
	f.Add([]byte(`{"event":{"a":1},"signature":null}`))
	f.Add([]byte(`{"event":{"a":1},"signature":"c2ln","signature_key_id":"0123456789abcdef"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := segment.ParseEvent(nil, in)
		if err != nil {
			return
		}
		line := append(segline.AppendEventStart(nil), got.Canonical...)
		switch {
		case got.KeyID != "":
			line = segline.AppendSignature(line, got.Signature, got.KeyID)
		case got.Unsigned:
			line = segline.AppendNullSignature(line)
		default:
			line = segline.AppendNoSignature(line)
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
		if line := segline.AppendCheckpoint(nil, note); !bytes.Equal(line, in) {
			t.Errorf("%q parses, but is written %q", in, line)
		}
	})
}
