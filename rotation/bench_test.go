// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"path/filepath"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// BenchmarkRotation begins a segment with each commit, with one key for all and with
// a key for each: the difference is what forward security costs a rotation.
func BenchmarkRotation(b *testing.B) {
	for _, keys := range []string{"one key", "a key for each segment"} {
		b.Run(keys, func(b *testing.B) {
			o := options(b)
			o.Scope = segline.ScopeCheckpoint
			o.MaxSegmentBytes = 1
			path := filepath.Join(b.TempDir(), "key.pem")
			if _, err := keyfile.Create(path, signing.ECDSAP256); err != nil {
				b.Fatal(err)
			}
			k, err := keyfile.OpenRotating(path)
			if err != nil {
				b.Fatal(err)
			}
			if o.Signer = k.Current(); keys != "one key" {
				o.SegmentKeys = k
			}
			l := open(b, o)
			defer closeLog(b, l)
			mustAppend(b, l, o, "first")
			batch := func() *stage.Batch { return batch(b, l, o, "id") }
			for b.Loop() {
				one := batch()
				if _, err := l.Append(b.Context(), one); err != nil {
					b.Fatal(err)
				}
				one.Release()
			}
		})
	}
}
