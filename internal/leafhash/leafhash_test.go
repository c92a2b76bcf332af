// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package leafhash_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/leafhash"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// A leaf in a buffer has the hash of its own bytes, and the buffer is as before.
func TestIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, leaf := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "before"), rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "leaf")
		buf := slices.Concat(before, leaf)
		if got, want := leafhash.In(buf, len(before)), merkle.LeafHash(leaf); got != want {
			t.Errorf("%v, want %v", got, want)
		}
		if !bytes.Equal(buf, slices.Concat(before, leaf)) {
			t.Error("the buffer has changed")
		}
	})
}
