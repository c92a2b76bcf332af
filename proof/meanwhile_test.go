// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// A proof is made of a log that is being compressed and pruned while it is read.
func TestProveMeanwhile(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, slices.Repeat([]int{1}, 8)...)
	for i, name := range w.Segments[:len(w.Segments)-1] {
		for _, q := range []proof.Query{{EventID: "id-003"}, {Index: 1, ByIndex: true}, {Index: 10, ByIndex: true}} {
			for _, how := range []string{"compressed", "pruned"} {
				c := w.Clone()
				next, err := segment.ParseName(w.Segments[i+1])
				require.NoError(t, err)
				changed := false
				p, err := proof.Prove(t.Context(), logtest.Live{MapFS: c.Files, Before: func(opened string) {
					if opened != name || changed {
						return
					}
					changed = true
					if how == "compressed" {
						c.Compress(t, name, compression.Zstd)
						return
					}
					c.Extend(t, logtest.BareLine(logtest.OwnEvent("pruned", fmt.Sprintf(`{"action":"pruned","before":%d}`, next.FirstIndex))))
					for _, one := range w.Segments[:i+1] {
						delete(c.Files, one)
					}
				}}, q)
				if errors.Is(err, proof.ErrPruned) && how == "pruned" {
					continue
				}
				if err != nil {
					t.Errorf("%+v, segment %d %s meanwhile: %v", q, i, how, err)
					continue
				}
				_, err = proof.Check(p.Marshal(), proof.Options{Keys: logtest.PublicKeys(w.Signer)})
				assert.NoError(t, err, "%+v, segment %d %s meanwhile", q, i, how)
			}
		}
	}
}
