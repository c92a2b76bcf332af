// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/partition"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

// A value that sends nothing has no log.
func TestNoRecordsNoPartition(t *testing.T) {
	s := newSite(t, divided)
	i := s.start(t)
	logs := add(add(plog.NewLogs(), "acme"), "other", "a")
	require.NoError(t, i.Write(t.Context(), logs))
	assert.Empty(t, s.ids(t, partition.None))
	assert.Equal(t, []string{"a"}, s.ids(t, "other"))
	assert.NoDirExists(t, s.directory("acme"))
}

// However resources come, each partition has exactly its records, in their order.
func TestDivisionFollowsTheModel(t *testing.T) {
	s := newSite(t, divided, inScope(segline.ScopeCheckpoint), func(s *site) { s.options.Layout.MaxPartitions, s.common.Sync = 5, false })
	i := s.start(t)
	want, known, n := map[string][]string{}, map[string]bool{}, 0
	rapid.Check(t, func(rt *rapid.T) {
		logs := plog.NewLogs()
		for range rapid.IntRange(1, 20).Draw(rt, "resources") {
			of := rapid.OneOf(rapid.Just[any](nil), rapid.Map(rapid.SampledFrom([]string{"a", "A", "b", "c", "d", "e", "f", ""}), func(s string) any { return s })).Draw(rt, "tenant")
			name := partition.None
			if of != nil {
				name = partition.Name(of.(string))
			}
			ids := make([]string, rapid.IntRange(0, 40).Draw(rt, "records"))
			for k := range ids {
				n++
				ids[k] = fmt.Sprint(n)
			}
			add(logs, of, ids...)
			if len(ids) == 0 {
				continue
			}
			if name != partition.None && !known[name] {
				if len(known) < s.options.Layout.MaxPartitions {
					known[name] = true
				} else {
					name = partition.Overflow
				}
			}
			want[name] = append(want[name], ids...)
		}
		if logs.LogRecordCount() == 0 {
			return
		}
		require.NoError(rt, i.Write(context.Background(), logs))
	})
	require.NoError(t, i.Close(t.Context()))
	for name, ids := range want {
		s.verify(t, name)
		assert.Equal(t, ids, s.ids(t, name), name)
	}
}

func TestConcurrentRequestsDivideAlike(t *testing.T) {
	s := newSite(t, divided, func(s *site) { s.common.MaxSegmentBytes = 1 << 20 })
	i := s.start(t)
	const callers, calls, tenants = 8, 10, 12
	var done sync.WaitGroup
	for caller := range callers {
		done.Go(func() {
			for call := range calls {
				logs := plog.NewLogs()
				for tenant := range tenants {
					add(logs, fmt.Sprint("t", tenant), fmt.Sprintf("%d-%d-%d", tenant, caller, call))
				}
				assert.NoError(t, i.Write(t.Context(), logs))
			}
		})
	}
	done.Wait()
	require.NoError(t, i.Close(t.Context()))
	for tenant := range tenants {
		name := fmt.Sprint("t", tenant)
		s.verify(t, name)
		got := s.ids(t, name)
		assert.Len(t, got, callers*calls)
		for _, id := range got {
			assert.True(t, strings.HasPrefix(id, fmt.Sprint(tenant, "-")), id)
		}
	}
}
