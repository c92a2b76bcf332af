// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/ingest"
)

// A log by itself is a set of one: whatever requests bring, they have the same answers, and
// leave the same events and the same counts, as those to a partition that they are all for.
func TestOneLogIsASetOfOne(t *testing.T) {
	const name = "acme"
	limited := func(s *site) {
		s.common.MaxLeafBytes, s.common.Sync = 2048, false
		s.options.Limits = ingest.Limits{MaxRecords: 60, MaxBytes: 32 << 10, MaxInFlightBytes: 32 << 10}
	}
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			one, set := newSite(t, strict, inScope(scope), limited), newSite(t, strict, inScope(scope), limited, divided)
			toOne, toSet := one.start(t), set.start(t)
			first := add(plog.NewLogs(), name, "first") // a partition's log is opened when it comes
			require.NoError(t, toOne.Write(t.Context(), first))
			require.NoError(t, toSet.Write(t.Context(), first))
			n, kinds := 0, map[string]int{}
			rapid.Check(t, func(rt *rapid.T) {
				logs := plog.NewLogs()
				for range rapid.IntRange(0, 3).Draw(rt, "resources") {
					resource := add(logs, name).ResourceLogs()
					s := resource.At(resource.Len() - 1).ScopeLogs().AppendEmpty()
					for range rapid.IntRange(0, 25).Draw(rt, "records") {
						n++
						r := record(s, fmt.Sprint("id-", n))
						switch rapid.IntRange(0, 15).Draw(rt, "kind") {
						case 0:
							r.SetEventName("") // which a strict mapping refuses
						case 1:
							r.Body().SetStr(strings.Repeat("x", 3000)) // too large
						case 2:
							r.Attributes().PutStr("audit.record.id", "id-1")
						case 3:
							r.Attributes().PutStr("audit.sequence.stream_id", "s")
							r.Attributes().PutInt("audit.sequence.number", int64(n))
						}
					}
				}
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if rapid.IntRange(0, 9).Draw(rt, "canceled") == 0 {
					cancel()
				}
				a, b := toOne.Write(ctx, logs), toSet.Write(ctx, logs)
				require.Equal(rt, consumererror.IsPermanent(a), consumererror.IsPermanent(b))
				if a == nil || b == nil {
					require.Equal(rt, a, b)
					kinds["nil"]++
					return
				}
				require.Equal(rt, a.Error(), strings.ReplaceAll(b.Error(), "partition "+name+": ", ""))
				kinds[fmt.Sprint(consumererror.IsPermanent(a), strings.Contains(a.Error(), "limits::max_"))]++
			})
			assert.GreaterOrEqual(t, len(kinds), 4, "nil, refused records, a limit, canceled: %v", kinds)
			require.NoError(t, toOne.Close(t.Context()))
			require.NoError(t, toSet.Close(t.Context()))
			one.verify(t, "")
			set.verify(t, name)
			assert.Equal(t, one.ids(t, ""), set.ids(t, name))
			assert.Equal(t, unhashed(one.refused(t, "")), unhashed(set.refused(t, name)))
			assert.Equal(t, one.told.all(), set.told.all())
		})
	}
}

// unhashed takes the hashes away: which of very many large records have one depends on which
// goroutine comes first.
func unhashed(all []refused) []refused {
	for i := range all {
		all[i].SHA256 = ""
	}
	return all
}

// Requests are refused, to be sent again, before the start and after the end.
func TestRequestsOutsideOfARun(t *testing.T) {
	for name, change := range map[string]func(*site){"one log": func(*site) {}, "partitions": divided} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, change)
			i := ingest.New(s.options)
			logs := add(plog.NewLogs(), nil, "a", "b")
			refused := func() {
				t.Helper()
				err := i.Write(t.Context(), logs)
				require.ErrorContains(t, err, "none of 2 records is in the audit log: the auditlog exporter is not running")
				assert.False(t, consumererror.IsPermanent(err))
			}
			refused()
			require.NoError(t, i.Close(t.Context()), "there is nothing to close")
			require.NoError(t, i.Start(t.Context(), s.common, nil))
			require.NoError(t, i.Write(t.Context(), logs))
			require.NoError(t, i.Close(t.Context()))
			refused()
			require.NoError(t, i.Close(t.Context()), "once more")
			assert.Equal(t, int64(4), s.told.all()["refused closed"])
		})
	}
}
