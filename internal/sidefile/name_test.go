// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package sidefile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
)

func TestTornName(t *testing.T) {
	name := sidefile.TornName(42, [32]byte{0xab, 0xcd})
	assert.Equal(t, "torn-00000000000000000042-abcd000000000000.tail", name, "TornName")
	assert.True(t, sidefile.IsTornName(name), "IsTornName")
	for _, in := range []string{"", "torn-", "torn-00000000000000000042-ABCD000000000000.tail", "torn-0000000000000000004x-abcd000000000000.tail", name + "x"} {
		assert.False(t, sidefile.IsTornName(in), "IsTornName")
	}
}

func FuzzTornName(f *testing.F) {
	f.Add("torn-00000000000000000007-0123456789abcdef.tail")
	f.Fuzz(func(t *testing.T, s string) {
		if sidefile.IsTornName(s) && strings.ContainsAny(s, "/\x00") {
			t.Errorf("%q is taken for the name of a tail", s)
		}
	})
}
