// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyfile_test

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/durable/durabletest"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
)

// A power cut while a key takes the place of another leaves, once the file has been opened
// again, either the old key and the next, or the next in its place; and never a retired key
// that is not overwritten.
func TestPowerCutWhileTheKeyChanges(t *testing.T) {
	same := func(view fstest.MapFS, want map[string]string) bool {
		got := map[string]string{}
		for name, f := range view {
			if name == "key.retired" && string(f.Data) != "old" {
				continue // overwritten: only its name has come back
			}
			got[name] = string(f.Data)
		}
		return maps.Equal(got, want)
	}
	before, after := map[string]string{"key": "old", "key.next": "new"}, map[string]string{"key": "new"}
	for seed := range uint64(200) {
		cuts := rand.New(rand.NewPCG(seed, 0))
		m := durabletest.New()
		for name, content := range before {
			require.NoError(t, durable.CreateNew(m, name, durable.Private, durable.Bytes([]byte(content))))
		}
		var left []*durabletest.Model
		m.Step = func() { left = append(left, m.Crash(cuts), m.Kill()) }
		require.NoError(t, keyfile.ReplaceKey(m, "key"))
		m.Step = nil
		assert.True(t, same(m.Crash(cuts).View(), after), "seed %d: after the change", seed)
		for i, m := range left {
			found := m.View()
			if _, err := fs.Stat(found, "key.retired"); err != nil && !same(found, before) && !same(found, after) {
				t.Errorf("seed %d, state %d: %v", seed, i, found)
			}
			if err := keyfile.CompleteChange(m, "key"); err != nil {
				t.Errorf("seed %d, state %d: %v: %v", seed, i, found, err)
				continue
			}
			for _, now := range []fstest.MapFS{m.View(), m.Crash(cuts).View()} {
				if !same(now, before) && !same(now, after) {
					t.Errorf("seed %d, state %d: %v, and opened again: %v", seed, i, found, now)
				}
			}
		}
	}
}
