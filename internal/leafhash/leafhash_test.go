// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package leafhash_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/leafhash"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// A leaf in a buffer has the hash of its own bytes, and the buffer is as before.
func TestIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, leaf := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "before"), rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "leaf")
		buf := slices.Concat(before, leaf)
		got, want := leafhash.In(buf, len(before)), merkle.LeafHash(leaf)
		assert.Equal(t, want, got)
		assert.Equal(t, slices.Concat(before, leaf), buf, "the buffer has changed")
	})
}
