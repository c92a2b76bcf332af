// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"testing"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

func TestRecent(t *testing.T) {
	plain, packed := segment.None, segment.Zstd
	for name, c := range map[string]struct {
		compressions []segment.Compression
		sizes        []int64
		most         int
		want         int
	}{
		"none":                     {nil, nil, 3, 0},
		"all":                      {[]segment.Compression{plain, plain}, []int64{50, 50}, 3, 0},
		"the newest, however long": {[]segment.Compression{plain, plain}, []int64{1, 1000}, 3, 1},
		"so many":                  {[]segment.Compression{plain, plain, plain, plain}, []int64{1, 1, 1, 1}, 3, 1},
		"so many bytes":            {[]segment.Compression{plain, plain, plain}, []int64{40, 40, 40}, 3, 1},
		"compressed to a tenth":    {[]segment.Compression{packed, packed, plain}, []int64{1, 9, 10}, 3, 1},
	} {
		got := segment.Recent(len(c.sizes), c.most, 100, func(i int) (segment.Compression, int64) { return c.compressions[i], c.sizes[i] })
		if got != c.want {
			t.Errorf("%s: from %d, want %d", name, got, c.want)
		}
	}
}
