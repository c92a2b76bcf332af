// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logevent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// texts are those that are written as they are: see TestTextsOfOthers.
var texts = rapid.Map(rapid.StringN(0, 40, 128), func(s string) string {
	return strings.NewReplacer("\u2028", "", "\u2029", "").Replace(strings.ToValidUTF8(s, ""))
})

var (
	numbers = rapid.Uint64Max(1<<53 - 1)
	hashes  = rapid.Map(rapid.SliceOfN(rapid.Byte(), 32, 32), func(b []byte) merkle.Hash { return merkle.Hash(b) })
	times   = rapid.Map(rapid.Int64Range(0, 1<<62), func(ns int64) time.Time { return time.Unix(0, ns).UTC() })
)

func hashesUpTo(most int) *rapid.Generator[[]merkle.Hash] {
	return rapid.Map(rapid.SliceOfN(hashes, 0, most), func(s []merkle.Hash) []merkle.Hash {
		if len(s) == 0 {
			return nil
		}
		return s
	})
}

func segmentOf(t *rapid.T) logevent.Segment {
	return logevent.Segment{
		FirstIndex: numbers.Draw(t, "first"), TreeSize: numbers.Draw(t, "size"), RootHash: hashes.Draw(t, "root"), Segment: texts.Draw(t, "segment"),
		Range: hashesUpTo(128).Draw(t, "range"), FirstTime: times.Draw(t, "first time"), LastTime: times.Draw(t, "last time"),
	}
}

// Whatever is written is read as it was written.
func TestRoundTrip(t *testing.T) {
	actions := []logevent.Action{logevent.Opened, logevent.Rotated, logevent.Pruned, logevent.Witnessed, logevent.Refused, logevent.SequenceGap, logevent.IDConflict, logevent.StateAdopted}
	rapid.Check(t, func(t *rapid.T) {
		e := logevent.Event{
			Action: rapid.SampledFrom(actions).Draw(t, "action"), Before: numbers.Draw(t, "before"), Checkpoint: texts.Draw(t, "checkpoint"),
			Proof: hashesUpTo(63).Draw(t, "proof"), KeyChange: texts.Draw(t, "key change"), KeyID: texts.Draw(t, "key id"), PreviousKeyID: texts.Draw(t, "previous key id"),
			RootHash: hashes.Draw(t, "root"), Size: numbers.Draw(t, "size"), SHA256: texts.Draw(t, "sha256"), Until: times.Draw(t, "until"), Version: texts.Draw(t, "version"),
			Witness: texts.Draw(t, "witness"), Segment: texts.Draw(t, "segment"), File: texts.Draw(t, "file"), Reason: texts.Draw(t, "reason"), Detail: texts.Draw(t, "detail"),
		}
		if rapid.Bool().Draw(t, "previous") {
			s := segmentOf(t)
			e.Previous = &s
		}
		for range rapid.IntRange(0, 3).Draw(t, "segments") {
			e.Segments = append(e.Segments, segmentOf(t))
		}
		if rapid.Bool().Draw(t, "conflict") {
			e.Conflict = &logevent.Conflict{EventID: texts.Draw(t, "id"), ContentHash: texts.Draw(t, "content"), LoggedHash: texts.Draw(t, "logged")}
		}
		if rapid.Bool().Draw(t, "refused") {
			e.Refused = &logevent.Refusal{Count: numbers.Draw(t, "count"), EventID: texts.Draw(t, "id"), Reason: texts.Draw(t, "why"), Record: texts.Draw(t, "record"), SHA256: texts.Draw(t, "hash")}
		}
		if rapid.Bool().Draw(t, "sequence") {
			any64 := rapid.Uint64()
			e.Sequence = &logevent.Sequence{
				Count: any64.Draw(t, "count"), Expected: any64.Draw(t, "expected"), Missing: any64.Draw(t, "missing"), Number: any64.Draw(t, "number"),
				Producer: texts.Draw(t, "producer"), RecordID: texts.Draw(t, "record"), Stream: texts.Draw(t, "stream"),
			}
		}
		log := written(t, e)
		got, err := logevent.Parse([]byte(log))
		require.NoError(t, err, "%s\nis read as\n", log)
		require.Equal(t, e, got, "%s\nis read as\n", log)
	})
}
