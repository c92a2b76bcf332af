// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func TestHeaderRoundTrip(t *testing.T) {
	keys := []segline.Key{segline.KeyOf(signingtest.New(t, signing.ECDSAP256).Public()), segline.KeyOf(signingtest.New(t, signing.Ed25519).Public())}
	rapid.Check(t, func(t *rapid.T) {
		var tree merkle.Frontier
		for range rapid.IntRange(0, 100).Draw(t, "leaves") {
			tree.Append(merkle.Hash{1})
		}
		want := segment.Header{
			Origin:     rapid.SampledFrom([]string{"a", "host.example/auditlog", "журнал/\"\\"}).Draw(t, "origin"),
			FirstIndex: tree.Size(),
			Frontier:   tree.Hashes(),
			Created:    time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
			Scope:      rapid.SampledFrom([]segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint}).Draw(t, "scope"),
			Features:   [][]segline.Feature{{}, {segline.FeatureIDs}}[rapid.IntRange(0, 1).Draw(t, "features")],
			MinAge:     time.Duration(rapid.Int64Range(0, int64(segline.MaxMinAge/time.Second)).Draw(t, "min age")) * time.Second,
			Retain:     time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "retain"), 0).UTC(),
			Keys:       keys[:rapid.IntRange(1, 2).Draw(t, "keys")],
		}
		copy(want.Log[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "log"))
		if want.FirstIndex == 0 && rapid.Bool().Draw(t, "succeeds") {
			want.Succeeds = &segline.Predecessor{Log: signing.LogID{1}, Size: rapid.Uint64Range(0, segline.MaxIndex).Draw(t, "size"), Root: merkle.Hash{2}}
		}
		line := want.AppendTo(nil)
		got, err := segment.ParseHeader(line)
		require.NoError(t, err, line)
		if len(want.Frontier) == 0 {
			want.Frontier = nil
		}
		require.Equal(t, want, got, "%s parses", line)
	})
}

func goodHeader(t testing.TB) string {
	return string(segment.Header{
		Origin: "log", Log: signing.LogID{3}, FirstIndex: 1, Features: []segline.Feature{segline.FeatureIDs}, MinAge: time.Hour, Retain: time.Unix(1_795_428_901, 0), Frontier: []merkle.Hash{{1}}, Created: time.Unix(1_795_428_900, 0), Scope: segline.ScopeEvent,
		Keys: []segline.Key{segline.KeyOf(signingtest.New(t, signing.Ed25519).Public())},
	}.AppendTo(nil))
}

func TestParseHeaderRefuses(t *testing.T) {
	good := goodHeader(t)
	other := segline.KeyOf(signingtest.New(t, signing.Ed25519).Public())
	for name, in := range map[string]string{
		"empty":               "",
		"cut off":             good[:len(good)-1],
		"trailing byte":       good + " ",
		"trailing object":     good + "{}",
		"white space":         strings.Replace(good, `":`, `": `, 1),
		"another format":      strings.Replace(good, "auditlog/v1", "", 1),
		"member twice":        strings.Replace(good, `"origin":"log"`, `"origin":"log","origin":"log"`, 1),
		"unknown member":      strings.Replace(good, `"origin":"log"`, `"origin":"log","x":1`, 1),
		"members swapped":     strings.Replace(good, `"scope":"event","features":["ids"]`, `"features":["ids"],"scope":"event"`, 1),
		"no format":           strings.Replace(good, `"format":"auditlog/v1",`, "", 1),
		"short log id":        strings.Replace(good, signing.LogID{3}.String(), "AwAA", 1),
		"no log id":           strings.Replace(good, `"log":"`+signing.LogID{3}.String()+`",`, "", 1),
		"null features":       strings.Replace(good, `["ids"]`, "null", 1),
		"feature twice":       strings.Replace(good, `["ids"]`, `["ids","ids"]`, 1),
		"unsorted features":   strings.Replace(good, `["ids"]`, `["ids","a"]`, 1),
		"feature in capitals": strings.Replace(good, `["ids"]`, `["IDS"]`, 1),
		"negative min age":    strings.Replace(good, `"min_age":3600`, `"min_age":-1`, 1),
		"gigantic min age":    strings.Replace(good, `"min_age":3600`, `"min_age":9223372036854775807`, 1),
		"no promise":          strings.Replace(good, `"retain":"2026`, `"retained":"2026`, 1),
		"successor too late":  strings.Replace(good, "]}}", `],"succeeds":{"log":"`+signing.LogID{}.String()+`","size":1,"root":"`+signing.LogID{}.String()+`"}}}`, 1),
		"a key twice":         strings.Replace(good, `"keys":[`, `"keys":[`+good[strings.Index(good, `{"id"`):len(good)-3]+",", 1),
		"member in capitals":  strings.Replace(good, `"origin"`, `"Origin"`, 1),
		"bad origin":          strings.Replace(good, `"origin":"log"`, `"origin":"{log"`, 1),
		"negative index":      strings.Replace(good, `"first_index":1`, `"first_index":-1`, 1),
		"index 1.0":           strings.Replace(good, `"first_index":1`, `"first_index":1.0`, 1),
		"gigantic index":      strings.Replace(good, `"first_index":1`, `"first_index":9007199254740993`, 1),
		"wrong frontier":      strings.Replace(good, `"first_index":1`, `"first_index":3`, 1),
		"short hash":          strings.Replace(good, "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AQ==", 1),
		"stray bits":          strings.Replace(good, "AAAAAAA=", "AAAAAAB=", 1),
		"short time":          strings.Replace(good, ".000000000Z", "Z", 1),
		"unknown scope":       strings.Replace(good, `"scope":"event"`, `"scope":"all"`, 1),
		"no keys":             good[:strings.Index(good, `"keys":[`)] + `"keys":[]}}`,
		"null keys":           good[:strings.Index(good, `"keys":[`)] + `"keys":null}}`,
		"wrong key id":        strings.Replace(good, `"id":"`, `"id":"0`, 1),
		"another key's id":    good[:strings.Index(good, `"id":"`)+6] + other.ID + good[strings.Index(good, `"id":"`)+22:],
		"wrong algorithm":     strings.Replace(good, `"ed25519"`, `"ecdsa-p256-sha256"`, 1),
		"not a key":           strings.Replace(good, `"public_key":"MCow`, `"public_key":"MCox`, 1),
		"huge":                strings.Replace(good, `"log"`, `"`+strings.Repeat("x", 1<<20)+`"`, 1),
	} {
		h, err := segment.ParseHeader([]byte(in))
		assert.Error(t, err, "%s: parsed as %+v", name, h)
	}
	_, err := segment.ParseHeader([]byte(good))
	assert.NoError(t, err)
}

// A reader of today follows the tree of a segment that a newer version wrote.
func TestParseHeaderOfANewerVersion(t *testing.T) {
	good := goodHeader(t)
	want, err := segment.ParseHeader([]byte(good))
	require.NoError(t, err)
	for name, in := range map[string]string{
		"format":             strings.Replace(good, "auditlog/v1", "auditlog/v2", 1),
		"format and members": strings.Replace(strings.Replace(good, "auditlog/v1", "auditlog/v2", 1), `"scope":"event"`, `"scope":"some","x":[1]`, 1),
		"feature":            strings.Replace(good, `["ids"]`, `["ids","shards"]`, 1),
	} {
		h, err := segment.ParseHeader([]byte(in))
		assert.ErrorIs(t, err, segment.ErrNewer, name)
		assert.Equal(t, want.Origin, h.Origin, "%s: parsed as %+v", name, h)
		assert.Equal(t, want.Log, h.Log, "%s: parsed as %+v", name, h)
		assert.Equal(t, want.FirstIndex, h.FirstIndex, "%s: parsed as %+v", name, h)
		assert.Equal(t, want.Frontier, h.Frontier, "%s: parsed as %+v", name, h)
		assert.True(t, h.Created.Equal(want.Created), "%s: parsed as %+v", name, h)
		assert.Equal(t, want.Keys, h.Keys, "%s: parsed as %+v", name, h)
	}
	// What takes no part in that is not excused by the version.
	for name, in := range map[string]string{
		"no keys":        good[:strings.Index(good, `"keys":[`)] + `"keys":[]}}`,
		"wrong frontier": strings.Replace(good, `"first_index":1`, `"first_index":3`, 1),
	} {
		_, err := segment.ParseHeader([]byte(strings.Replace(in, "auditlog/v1", "auditlog/v2", 1)))
		assert.Error(t, err, name)
		assert.NotErrorIs(t, err, segment.ErrNewer, name)
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte(goodHeader(f)))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := segment.ParseHeader(in)
		if err != nil {
			return
		}
		if again := h.AppendTo(nil); !bytes.Equal(again, in) {
			t.Errorf("%q parses, but is written %q", in, again)
		}
	})
}
