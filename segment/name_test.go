// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

func TestParseName(t *testing.T) {
	created := time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC)
	for _, tt := range []struct {
		in   string
		want segment.Name
	}{
		{"audit-00000000000000000000-20261123T101500Z.jsonl", segment.Name{FirstIndex: 0, Created: created, Compression: segment.None}},
		{"audit-00000000000000041873-20261123T101500Z.jsonl.zst", segment.Name{FirstIndex: 41873, Created: created, Compression: segment.Zstd}},
		{"audit-00009007199254740991-20261123T101500Z.jsonl.gz", segment.Name{FirstIndex: segment.MaxIndex, Created: created, Compression: segment.Gzip}},
	} {
		got, err := segment.ParseName(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("ParseName(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	for _, in := range []string{
		"",
		"audit-",
		"audit-0-20261123T101500Z.jsonl",
		"audit-00000000000000000000-20261123T101500Z.jsonl.bz2",
		"audit-00000000000000000000-20261123T101500Z.jsonl.zst.zst",
		"audit-00000000000000000000-20261123T101500Z.jsonl.zst.gz",
		"audit-00000000000000000000-20261323T101500Z.jsonl",
		"audit-00000000000000000000-20261123T101500z.jsonl",
		"audit-00009007199254740992-20261123T101500Z.jsonl",
		"audit-99999999999999999999-20261123T101500Z.jsonl",
		"audit-+0000000000000000000-20261123T101500Z.jsonl",
		"audit-00000000000000000000-20261123T101500Z.jsonl\n",
		"../audit-00000000000000000000-20261123T101500Z.jsonl",
		"audit-00000000000000000000-20261123T101500Z.jsonl.tmp",
	} {
		if got, err := segment.ParseName(in); err == nil {
			t.Errorf("ParseName(%q) = %+v, want an error", in, got)
		}
	}
}

func TestNameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := segment.Name{
			FirstIndex:  rapid.Uint64Range(0, segment.MaxIndex).Draw(t, "index"),
			Created:     time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "created"), 0).UTC(),
			Compression: rapid.SampledFrom([]segment.Compression{segment.None, segment.Zstd, segment.Gzip}).Draw(t, "compression"),
		}
		got, err := segment.ParseName(want.String())
		if err != nil || got != want {
			t.Fatalf("ParseName(%q) = %+v, %v; want %+v", want, got, err, want)
		}
	})
}

func TestTornName(t *testing.T) {
	name := segment.TornName(42, [32]byte{0xab, 0xcd})
	if want := "torn-00000000000000000042-abcd000000000000.tail"; name != want {
		t.Errorf("TornName = %q, want %q", name, want)
	}
	if !segment.IsTornName(name) {
		t.Errorf("IsTornName(%q) = false", name)
	}
	for _, in := range []string{"", "torn-", "torn-00000000000000000042-ABCD000000000000.tail", "torn-0000000000000000004x-abcd000000000000.tail", name + "x"} {
		if segment.IsTornName(in) {
			t.Errorf("IsTornName(%q) = true", in)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("audit-00000000000000041873-20261124T101500Z.jsonl.zst")
	f.Add("audit-00000000000000000000-20261123T101500Z.jsonl")
	f.Add("audit-18446744073709551615-20261123T101500Z.jsonl.gz")
	f.Add("torn-00000000000000000007-0123456789abcdef.tail")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := segment.ParseName(s); err == nil && n.String() != s {
			t.Errorf("%q is called %q", s, n)
		}
		if segment.IsTornName(s) && strings.ContainsAny(s, "/\x00") {
			t.Errorf("%q is taken for the name of a tail", s)
		}
	})
}
