// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

func TestRecent(t *testing.T) {
	plain, packed := compression.None, compression.Zstd
	for name, c := range map[string]struct {
		compressions []compression.Method
		sizes        []int64
		most         int
		want         int
	}{
		"none":                     {nil, nil, 3, 0},
		"all":                      {[]compression.Method{plain, plain}, []int64{50, 50}, 3, 0},
		"the newest, however long": {[]compression.Method{plain, plain}, []int64{1, 1000}, 3, 1},
		"so many":                  {[]compression.Method{plain, plain, plain, plain}, []int64{1, 1, 1, 1}, 3, 1},
		"so many bytes":            {[]compression.Method{plain, plain, plain}, []int64{40, 40, 40}, 3, 1},
		"compressed to a tenth":    {[]compression.Method{packed, packed, plain}, []int64{1, 9, 10}, 3, 1},
	} {
		got := rotation.Recent(len(c.sizes), c.most, 100, func(i int) (compression.Method, int64) { return c.compressions[i], c.sizes[i] })
		if got != c.want {
			t.Errorf("%s: from %d, want %d", name, got, c.want)
		}
	}
}
