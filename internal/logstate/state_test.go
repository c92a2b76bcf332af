// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logstate_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/logstate"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func states() []logstate.State {
	return []logstate.State{
		{Origin: "a.example/log", Log: signing.LogID{1}, Size: 12, Root: merkle.Hash{2}},
		{Origin: "a.example/<&>", Log: signing.LogID{1}, Succeeds: &segline.Predecessor{Log: signing.LogID{3}, Size: segline.MaxIndex, Root: merkle.Hash{4}}},
	}
}

func TestStatesComeBack(t *testing.T) {
	for _, s := range states() {
		got, err := logstate.Parse(s.Marshal())
		assert.NoError(t, err, "%+v", got)
		assert.Equal(t, s.Marshal(), got.Marshal(), "%+v", got)
		assert.Equal(t, s.Origin, got.Origin, "%+v", got)
		assert.Equal(t, s.Size == 0, got.Begins(), "%+v", got)
	}
}

func TestParseRefuses(t *testing.T) {
	good := states()[0]
	text := string(good.Marshal())
	for name, content := range map[string]string{
		"nothing":           "",
		"zeros":             "\x00\x00\x00",
		"half":              text[:len(text)/2],
		"without line end":  strings.TrimSpace(text),
		"more behind it":    text + "x",
		"an unknown member": strings.Replace(text, `"size"`, `"more":1,"size"`, 1),
		"another form":      strings.Replace(text, "auditlog/v1", "auditlog/v2", 1),
		"a short id":        strings.Replace(text, `"log":"AQAA`, `"log":"`, 1),
		"a blank":           strings.Replace(text, `"size":`, `"size": `, 1),
		"a size of no log":  strings.Replace(text, `"size":12`, `"size":9007199254740993`, 1),
		"no origin":         strings.Replace(text, good.Origin, "", 1),
	} {
		s, err := logstate.Parse([]byte(content))
		assert.Error(t, err, "%s: %+v", name, s)
	}
}

func TestNamesAreReadableAndDiffer(t *testing.T) {
	assert.Equal(t, "host.example%2fauditlog.state", logstate.Name("host.example/auditlog"))
	assert.NotEqual(t, logstate.Name("A/b"), logstate.Name("a/b"), "two origins of one name")
}

func FuzzParse(f *testing.F) {
	for _, s := range states() {
		f.Add(s.Marshal())
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := logstate.Parse(content)
		if err == nil && !bytes.Equal(s.Marshal(), content) {
			t.Errorf("%q", content)
		}
	})
}
