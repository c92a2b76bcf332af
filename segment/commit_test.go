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
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

func TestCommitRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := segment.Commit{
			Number: rapid.Uint64Range(1, segline.MaxIndex).Draw(t, "number"),
			Time:   time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
		}
		if rapid.Bool().Draw(t, "ids") {
			want.IDs = &segline.IDs{Count: rapid.Uint64Range(0, segline.MaxIndex).Draw(t, "count"), Root: new(merkle.Frontier).Root()}
		}
		line := segline.AppendCommit(nil, want.Number, want.Time, want.IDs)
		got, err := segment.ParseCommit(line)
		require.NoError(t, err)
		require.Equal(t, segline.KindCommit, segment.KindOf(line))
		require.LessOrEqual(t, len(line), segline.MaxCommitBytes)
		require.Equal(t, want, got, "%s parses", line)
	})
}

func TestParseCommitRefuses(t *testing.T) {
	good := string(segline.AppendCommit(nil, 7, time.Unix(1_795_428_900, 0), &segline.IDs{Count: 3, Root: new(merkle.Frontier).Root()}))
	for name, in := range map[string]string{
		"empty":              "",
		"cut off":            good[:len(good)-1],
		"trailing byte":      good + " ",
		"trailing object":    good + "{}",
		"white space":        strings.Replace(good, `":`, `": `, 1),
		"number 0":           strings.Replace(good, `"number":7`, `"number":0`, 1),
		"negative number":    strings.Replace(good, `"number":7`, `"number":-7`, 1),
		"number 7.0":         strings.Replace(good, `"number":7`, `"number":7.0`, 1),
		"gigantic number":    strings.Replace(good, `"number":7`, `"number":9007199254740993`, 1),
		"no number":          strings.Replace(good, `"number":7,`, "", 1),
		"number twice":       strings.Replace(good, `"number":7`, `"number":7,"number":7`, 1),
		"unknown member":     strings.Replace(good, `"number":7`, `"number":7,"x":1`, 1),
		"short time":         strings.Replace(good, ".000000000Z", "Z", 1),
		"another zone":       strings.Replace(good, ".000000000Z", ".000000000+00:00", 1),
		"null ids":           good[:strings.Index(good, `"ids"`)] + `"ids":null}}`,
		"short root":         strings.Replace(good, `"root":"`, `"root":"AQ==","x":"`, 1),
		"negative count":     strings.Replace(good, `"count":3`, `"count":-3`, 1),
		"member in capitals": strings.Replace(good, `"count"`, `"Count"`, 1),
		"huge":               good + strings.Repeat(" ", 1<<20),
	} {
		c, err := segment.ParseCommit([]byte(in))
		assert.Error(t, err, "%s: parsed as %+v", name, c)
	}
	_, err := segment.ParseCommit([]byte(good))
	assert.NoError(t, err)
}

func FuzzParseCommit(f *testing.F) {
	f.Add(segline.AppendCommit(nil, 1, time.Unix(1_795_428_900, 0), nil))
	f.Add(segline.AppendCommit(nil, 7, time.Unix(1_795_428_900, 1), &segline.IDs{Count: 3, Root: new(merkle.Frontier).Root()}))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := segment.ParseCommit(in)
		if err != nil {
			return
		}
		if again := segline.AppendCommit(nil, c.Number, c.Time, c.IDs); !bytes.Equal(again, in) {
			t.Errorf("%q parses, but is written %q", in, again)
		}
	})
}
