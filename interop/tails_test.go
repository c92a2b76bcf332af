// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// Both verifiers pass over what no checkpoint of the newest segment covers, and over openings of
// it: a crash may have left that.
func TestBothPassOverWhatNothingCovers(t *testing.T) {
	other := startSecond(t)
	for name, c := range map[string]struct {
		kind string
		add  func(newest segment.Name) (file, content string)
	}{
		"an opening": {"torn-tail", func(n segment.Name) (string, string) {
			return segname.Values(n), salted{value: `"alice"`}.opening(int(n.FirstIndex)+2, "/body")
		}},
		"two openings of one place": {"torn-tail", func(n segment.Name) (string, string) {
			return segname.Values(n), strings.Repeat(salted{value: `"alice"`}.opening(int(n.FirstIndex)+2, "/body"), 2)
		}},
		"a commit that does not bind its ids": {"ids", func(n segment.Name) (string, string) {
			return n.String(), `{"commit":{"number":1,"time":"2026-11-23T10:00:00.000000000Z"}}` + "\n"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var s *sample
			for _, k := range sampleKinds {
				if k.name == c.kind {
					s = k.write(t)
				}
			}
			n, err := segment.ParseName(filepath.Base(newestOf(t, s.dir)))
			require.NoError(t, err)
			file, content := c.add(n)
			f, err := os.OpenFile(filepath.Join(s.dir, file), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			require.NoError(t, err)
			_, err = f.WriteString(content)
			require.NoError(t, errors.Join(err, f.Close()), err)
			r, err := verify.Log(t.Context(), os.DirFS(s.dir), s.options())
			if err != nil || r.Verdict != verify.VerdictOK || r.FindingCounts[verify.Warning] == 0 {
				t.Errorf("ours: %v, %+v", err, r)
			}
			a := other.check(t, s.arguments(t, s.dir))
			assert.Equal(t, "ok", a.Verdict, "the other: %+v", a)
		})
	}
}
