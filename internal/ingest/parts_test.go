// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

// A large request is worked on in parts, by several goroutines. It must not show.
func TestLargeRequestKeepsItsOrder(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			s := newSite(t, inScope(scope))
			i := s.start(t)
			logs := plog.NewLogs()
			want := several("id", 3000)
			// Scopes of 0, 1, 2, … records, so that parts end at all places in them.
			for n, size := 0, 0; n < len(want); size++ {
				resource := logs.ResourceLogs().AppendEmpty()
				resource.Resource().Attributes().PutInt("number", int64(size))
				for range 2 {
					scope := resource.ScopeLogs().AppendEmpty()
					for range size {
						if n < len(want) {
							record(scope, want[n])
							n++
						}
					}
				}
			}
			require.NoError(t, i.Write(t.Context(), logs))
			events, _ := s.events(t, "")
			require.Len(t, events, len(want))
			n := 0
			for size, resource := range logs.ResourceLogs().All() {
				for _, scope := range resource.ScopeLogs().All() {
					for range scope.LogRecords().Len() {
						require.Equal(t, want[n], events[n].EventID)
						require.Equal(t, int64(size), events[n].Resource.Attributes[0].Value)
						n++
					}
				}
			}
			s.verify(t, "")
		})
	}
}
