// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package sidefile_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

func TestKeyChangeLine(t *testing.T) {
	note := "log\nkey\n\n\u2014 log \"x\"\n"
	line := sidefile.AppendKeyChange(nil, []byte(note))
	assert.Equal(t, `{"key_change":"log\nkey\n\n`+"\u2014"+` log \"x\"\n"}`, string(line), "line %s\n", line)
	got, err := sidefile.ParseKeyChange(line)
	assert.NoError(t, err, "parsed %q", got)
	assert.Equal(t, note, string(got), "parsed %q", got)
	for _, bad := range []string{"", "{}", `{"key_change":"x"`, `{"key_change":"x"} `, `{"key_change": "x"}`, `{"key_change":"\u0041"}`, `{"checkpoint":"x"}`,
		`{"key_change":"` + strings.Repeat("x", sidefile.MaxKeyChangeBytes) + `"}`} {
		_, err := sidefile.ParseKeyChange([]byte(bad))
		assert.Error(t, err, "parsed %.40q", bad)
	}
}

func TestPrunedRangeLine(t *testing.T) {
	for _, r := range []sidefile.PrunedRange{{}, {Size: 3, Subtrees: []merkle.Hash{{1}, {2}}}, {Size: segline.MaxIndex, Subtrees: make([]merkle.Hash, 100)}} {
		line := sidefile.AppendPrunedRange(nil, r)
		got, err := sidefile.ParsePrunedRange(line)
		assert.NoError(t, err, "%s: parsed %+v", line, got)
		assert.Equal(t, r.Size, got.Size, "%s: parsed %+v", line, got)
		assert.Equal(t, r.Subtrees, got.Subtrees, "%s: parsed %+v", line, got)
	}
	hash := `"` + strings.Repeat("A", 43) + `="`
	for _, bad := range []string{"", "{}", `{"size":1}`, `{"size":1,"subtrees":null}`, `{"size":01,"subtrees":[]}`, `{"size":1,"subtrees":["AA=="]}`, `{"size":-1,"subtrees":[]}`,
		`{"size":9007199254740992,"subtrees":[]}`, `{"size":1,"subtrees":[` + hash + `,]}`, `{"size":1,"subtrees":[` + hash + `]}` + "\n", `{"subtrees":[],"size":1}`,
		`{"size":1,"size":1,"subtrees":[]}`, `{"size":1,"subtrees":[` + strings.Replace(hash, "A=", "B=", 1) + `]}`, `{"size":1,"subtrees":[]}` + strings.Repeat(" ", 9000)} {
		_, err := sidefile.ParsePrunedRange([]byte(bad))
		assert.Error(t, err, "parsed %.60q", bad)
	}
}

func FuzzParsePrunedRange(f *testing.F) {
	f.Add(sidefile.AppendPrunedRange(nil, sidefile.PrunedRange{Size: 3, Subtrees: []merkle.Hash{{1}, {2}}}))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := sidefile.ParsePrunedRange(line)
		if err == nil && !bytes.Equal(sidefile.AppendPrunedRange(nil, r), line) {
			t.Errorf("%q has another form", line)
		}
	})
}

func FuzzParseKeyChange(f *testing.F) {
	f.Add(sidefile.AppendKeyChange(nil, []byte("a\n\nb")))
	f.Fuzz(func(t *testing.T, line []byte) {
		note, err := sidefile.ParseKeyChange(line)
		if err == nil && !bytes.Equal(sidefile.AppendKeyChange(nil, note), line) {
			t.Errorf("%q has another form", line)
		}
	})
}
