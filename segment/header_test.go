// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func TestHeaderRoundTrip(t *testing.T) {
	keys := []segment.Key{segment.KeyOf(signingtest.New(t, signing.ECDSAP256).Public()), segment.KeyOf(signingtest.New(t, signing.Ed25519).Public())}
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
			Scope:      rapid.SampledFrom([]segment.Scope{segment.ScopeEvent, segment.ScopeCheckpoint}).Draw(t, "scope"),
			Keys:       keys[:rapid.IntRange(1, 2).Draw(t, "keys")],
		}
		line := segment.AppendHeader(nil, want)
		got, err := segment.ParseHeader(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if len(want.Frontier) == 0 {
			want.Frontier = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s parses as %+v, want %+v", line, got, want)
		}
	})
}

func goodHeader(t testing.TB) string {
	return string(segment.AppendHeader(nil, segment.Header{
		Origin: "log", FirstIndex: 1, Frontier: []merkle.Hash{{1}}, Created: time.Unix(1_795_428_900, 0), Scope: segment.ScopeEvent,
		Keys: []segment.Key{segment.KeyOf(signingtest.New(t, signing.Ed25519).Public())},
	}))
}

func TestParseHeaderRefuses(t *testing.T) {
	good := goodHeader(t)
	other := segment.KeyOf(signingtest.New(t, signing.Ed25519).Public())
	for name, in := range map[string]string{
		"empty":              "",
		"cut off":            good[:len(good)-1],
		"trailing byte":      good + " ",
		"trailing object":    good + "{}",
		"white space":        strings.Replace(good, `":`, `": `, 1),
		"another format":     strings.Replace(good, "auditlog/v1", "auditlog/v2", 1),
		"member twice":       strings.Replace(good, `"origin":"log"`, `"origin":"log","origin":"log"`, 1),
		"unknown member":     strings.Replace(good, `"origin":"log"`, `"origin":"log","x":1`, 1),
		"members swapped":    strings.Replace(good, `"origin":"log","first_index":1`, `"first_index":1,"origin":"log"`, 1),
		"member in capitals": strings.Replace(good, `"origin"`, `"Origin"`, 1),
		"bad origin":         strings.Replace(good, `"origin":"log"`, `"origin":"{log"`, 1),
		"negative index":     strings.Replace(good, `"first_index":1`, `"first_index":-1`, 1),
		"index 1.0":          strings.Replace(good, `"first_index":1`, `"first_index":1.0`, 1),
		"gigantic index":     strings.Replace(good, `"first_index":1`, `"first_index":9007199254740993`, 1),
		"wrong frontier":     strings.Replace(good, `"first_index":1`, `"first_index":3`, 1),
		"short hash":         strings.Replace(good, "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AQ==", 1),
		"stray bits":         strings.Replace(good, "AAAAAAA=", "AAAAAAB=", 1),
		"short time":         strings.Replace(good, ".000000000Z", "Z", 1),
		"unknown scope":      strings.Replace(good, `"scope":"event"`, `"scope":"all"`, 1),
		"no keys":            good[:strings.Index(good, `"keys":[`)] + `"keys":[]}}`,
		"null keys":          good[:strings.Index(good, `"keys":[`)] + `"keys":null}}`,
		"wrong key id":       strings.Replace(good, `"id":"`, `"id":"0`, 1),
		"another key's id":   good[:strings.Index(good, `"id":"`)+6] + other.ID + good[strings.Index(good, `"id":"`)+22:],
		"wrong algorithm":    strings.Replace(good, `"ed25519"`, `"ecdsa-p256-sha256"`, 1),
		"not a key":          strings.Replace(good, `"public_key":"MCow`, `"public_key":"MCox`, 1),
		"huge":               strings.Replace(good, `"log"`, `"`+strings.Repeat("x", 1<<20)+`"`, 1),
	} {
		if h, err := segment.ParseHeader([]byte(in)); err == nil {
			t.Errorf("%s: parsed as %+v", name, h)
		}
	}
	if _, err := segment.ParseHeader([]byte(good)); err != nil {
		t.Error(err)
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte(goodHeader(f)))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := segment.ParseHeader(in)
		if err != nil {
			return
		}
		if again := segment.AppendHeader(nil, h); !bytes.Equal(again, in) {
			t.Errorf("%q parses, but is written %q", in, again)
		}
	})
}
