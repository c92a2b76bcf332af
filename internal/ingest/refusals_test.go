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
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

// Whatever requests bring, each record is in the log, or refused in it, or counted; and the error says how
// many of which.
func TestEachRecordIsInTheLogOrNamedInIt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSite(t, strict, inScope(segline.ScopeCheckpoint), func(s *site) { s.common.MaxLeafBytes = 2048 })
		i := s.start(t)
		defer func() { require.NoError(rt, i.Close(context.Background())) }()
		var good []string
		bad, n := 0, 0
		for range rapid.IntRange(1, 4).Draw(rt, "requests") {
			logs := plog.NewLogs()
			refused, all := 0, 0
			for range rapid.IntRange(1, 4).Draw(rt, "resources") {
				scope := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
				for range rapid.IntRange(0, 50).Draw(rt, "records") {
					id := fmt.Sprint("id-", n)
					n++
					all++
					one := record(scope, id)
					switch kind := rapid.IntRange(0, 9).Draw(rt, "kind"); {
					case kind == 0:
						one.SetEventName("")
					case kind == 1:
						one.Body().SetStr(strings.Repeat("x", 2000))
					case kind == 2 && len(good) > 0:
						one.Attributes().PutStr("audit.record.id", good[0])
						one.Body().SetStr(id)
					default:
						good = append(good, id)
						continue
					}
					refused++
				}
			}
			bad += refused
			err := i.Write(t.Context(), logs)
			if refused == 0 {
				require.NoError(rt, err)
				continue
			}
			require.ErrorContains(rt, err, fmt.Sprintf("%d of %d records refused: ", refused, all))
			require.True(rt, consumererror.IsPermanent(err))
		}
		require.Equal(rt, good, s.ids(t, ""))
		told := 0
		for _, one := range s.refused(t, "") {
			told += max(1, int(one.Count))
		}
		require.Equal(rt, bad, told)
	})
}

// Nothing of a hostile record reaches an event about it but what is harmless there.
func TestHostileRefusedRecords(t *testing.T) {
	s := newSite(t, strict)
	i := s.start(t)
	logs := plog.NewLogs()
	scope := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for _, id := range []string{"\x00\x1b[2J\n", "\u202e\u2028", strings.Repeat("ä", 1<<20), `","log":{}`, "\xff\xfe", " ", strings.Repeat("\u2028", 1000)} {
		one := scope.LogRecords().AppendEmpty()
		one.Attributes().PutStr("audit.record.id", id)
		one.SetTimestamp(pcommon.Timestamp(1))
	}
	err := i.Write(t.Context(), logs)
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 1500)
	assert.NotContains(t, err.Error(), "\x1b")
	for _, one := range s.refused(t, "") {
		assert.LessOrEqual(t, len(one.EventID), 130)
	}
	assert.Len(t, s.refused(t, ""), 7)
	s.verify(t, "")
}
