// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

func TestParseName(t *testing.T) {
	created := time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC)
	for _, tt := range []struct {
		in   string
		want segment.Name
	}{
		{"audit-00000000000000000000-20261123T101500Z.jsonl", segment.Name{FirstIndex: 0, Created: created, Compression: compression.None}},
		{"audit-00000000000000041873-20261123T101500Z.jsonl.zst", segment.Name{FirstIndex: 41873, Created: created, Compression: compression.Zstd}},
		{"audit-00009007199254740991-20261123T101500Z.jsonl.gz", segment.Name{FirstIndex: segline.MaxIndex, Created: created, Compression: compression.Gzip}},
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
		got, err := segment.ParseName(in)
		assert.Error(t, err, "ParseName(%q) = %+v, want an error", in, got)
	}
}

func TestNameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := segment.Name{
			FirstIndex:  rapid.Uint64Range(0, segline.MaxIndex).Draw(t, "index"),
			Created:     time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "created"), 0).UTC(),
			Compression: rapid.SampledFrom([]compression.Method{compression.None, compression.Zstd, compression.Gzip}).Draw(t, "compression"),
		}
		got, err := segment.ParseName(want.String())
		if err != nil || got != want {
			t.Fatalf("ParseName(%q) = %+v, %v; want %+v", want, got, err, want)
		}
	})
}

func FuzzParseName(f *testing.F) {
	f.Add("audit-00000000000000041873-20261124T101500Z.jsonl.zst")
	f.Add("audit-00000000000000000000-20261123T101500Z.jsonl")
	f.Add("audit-18446744073709551615-20261123T101500Z.jsonl.gz")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := segment.ParseName(s); err == nil && n.String() != s {
			t.Errorf("%q is called %q", s, n)
		}
	})
}
