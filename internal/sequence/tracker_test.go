// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package sequence_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/sequence"
)

// record makes a record of attributes, whose canonical form is its id.
func record(t testing.TB, producer string, attributes map[string]any) sequence.Record {
	t.Helper()
	m := pcommon.NewMap()
	require.NoError(t, m.FromRaw(attributes))
	r, ok := sequence.Read(m, producer)
	require.True(t, ok)
	if id, ok := attributes["audit.record.id"].(string); ok {
		r.SetHash(sha256.Sum256([]byte(id)))
	}
	return r
}

// numbered makes a record with a number in the stream s.
func numbered(t testing.TB, n int64, more ...any) sequence.Record {
	t.Helper()
	a := map[string]any{"audit.sequence.stream_id": "s", "audit.sequence.number": n, "audit.record.id": fmt.Sprint("id-", n)}
	for i := 0; i < len(more); i += 2 {
		a[more[i].(string)] = more[i+1]
	}
	return record(t, "", a)
}

func kinds(findings []sequence.Finding) (all []sequence.Kind) {
	for _, f := range findings {
		all = append(all, f.Kind)
	}
	return all
}

const (
	previousID   = "audit.sequence.previous_record_id"
	previousHash = "audit.sequence.previous_hash"
	end          = "audit.sequence.end"
)

func hashOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

func TestStreams(t *testing.T) {
	unnumbered := func(id string, more ...any) sequence.Record {
		a := map[string]any{"audit.sequence.stream_id": "s", "audit.record.id": id}
		for i := 0; i < len(more); i += 2 {
			a[more[i].(string)] = more[i+1]
		}
		return record(t, "", a)
	}
	other := record(t, "", map[string]any{"audit.sequence.stream_id": "t", "audit.sequence.number": int64(1)})
	proven := record(t, "shop", map[string]any{"audit.sequence.stream_id": "s", "audit.sequence.number": int64(9)})
	for name, one := range map[string]struct {
		records []sequence.Record
		want    []sequence.Kind
	}{
		"one after the other":        {[]sequence.Record{numbered(t, 1), numbered(t, 2), numbered(t, 3)}, nil},
		"one not from the beginning": {[]sequence.Record{numbered(t, 7), numbered(t, 8)}, nil},
		"a gap":                      {[]sequence.Record{numbered(t, 1), numbered(t, 3), numbered(t, 4)}, []sequence.Kind{sequence.Gap}},
		"a repeat":                   {[]sequence.Record{numbered(t, 1), numbered(t, 2), numbered(t, 2), numbered(t, 3)}, []sequence.Kind{sequence.Repeat}},
		"a step back":                {[]sequence.Record{numbered(t, 5), numbered(t, 3), numbered(t, 6)}, []sequence.Kind{sequence.Repeat}},
		"out of order":               {[]sequence.Record{numbered(t, 1), numbered(t, 3), numbered(t, 2), numbered(t, 4)}, []sequence.Kind{sequence.Gap, sequence.Repeat}},
		"another stream":             {[]sequence.Record{numbered(t, 5), other, numbered(t, 6)}, nil},
		"a stream with a proof":      {[]sequence.Record{numbered(t, 5), proven, numbered(t, 6)}, nil},
		"linked by id":               {[]sequence.Record{numbered(t, 1), numbered(t, 2, previousID, "id-1")}, nil},
		"linked by hash":             {[]sequence.Record{numbered(t, 1), numbered(t, 2, previousHash, hashOf("id-1"))}, nil},
		"linked to another id":       {[]sequence.Record{numbered(t, 1), numbered(t, 2, previousID, "id-0"), numbered(t, 3)}, []sequence.Kind{sequence.BrokenLink}},
		"linked to another hash":     {[]sequence.Record{numbered(t, 1), numbered(t, 2, previousHash, hashOf("id-0"))}, []sequence.Kind{sequence.BrokenLink}},
		"linked to what is missing":  {[]sequence.Record{numbered(t, 1), numbered(t, 3, previousID, "id-2")}, []sequence.Kind{sequence.Gap}},
		"a hash in another form":     {[]sequence.Record{numbered(t, 1), numbered(t, 2, previousHash, "c2hh")}, nil},
		"links alone":                {[]sequence.Record{unnumbered("a"), unnumbered("b", previousID, "a"), unnumbered("c", previousID, "a")}, []sequence.Kind{sequence.BrokenLink}},
		"a number between":           {[]sequence.Record{numbered(t, 1), unnumbered("a"), numbered(t, 3)}, []sequence.Kind{sequence.Gap}},
		"after the end":              {[]sequence.Record{numbered(t, 1), numbered(t, 2, end, true), numbered(t, 3), numbered(t, 3)}, []sequence.Kind{sequence.AfterEnd, sequence.AfterEnd}},
		"an end that is none":        {[]sequence.Record{numbered(t, 1, end, false), numbered(t, 2)}, nil},
		"the largest number":         {[]sequence.Record{numbered(t, math.MaxInt64-1), numbered(t, math.MaxInt64), numbered(t, math.MaxInt64)}, []sequence.Kind{sequence.Repeat}},
		"the largest gap":            {[]sequence.Record{numbered(t, 0), numbered(t, math.MaxInt64)}, []sequence.Kind{sequence.Gap}},
		"a negative number":          {[]sequence.Record{numbered(t, 1), numbered(t, -1), numbered(t, 2)}, []sequence.Kind{sequence.Malformed}},
		"a number as text":           {[]sequence.Record{numbered(t, 1, "audit.sequence.number", "2"), numbered(t, 9)}, []sequence.Kind{sequence.Malformed}},
		"an end as text":             {[]sequence.Record{numbered(t, 1), numbered(t, 2, end, "true")}, []sequence.Kind{sequence.Malformed}},
		"a link as number":           {[]sequence.Record{numbered(t, 1), numbered(t, 2, previousID, int64(1))}, []sequence.Kind{sequence.Malformed}},
		"an empty stream":            {[]sequence.Record{numbered(t, 1, "audit.sequence.stream_id", "")}, []sequence.Kind{sequence.Malformed}},
		"a very long stream":         {[]sequence.Record{numbered(t, 1, "audit.sequence.stream_id", strings.Repeat("s", 1025))}, []sequence.Kind{sequence.Malformed}},
	} {
		t.Run(name, func(t *testing.T) {
			// All in one commit, and one in each.
			together := sequence.New(10)
			assert.Equal(t, one.want, kinds(together.Stage(one.records)))
			each, got := sequence.New(10), []sequence.Finding(nil)
			for i := range one.records {
				got = append(got, each.Stage(one.records[i:i+1])...)
				each.Commit()
			}
			assert.Equal(t, one.want, kinds(got))
		})
	}
}

func TestFinding(t *testing.T) {
	long := strings.Repeat("ä", 100)
	first := record(t, "shop", map[string]any{"audit.sequence.stream_id": long, "audit.sequence.number": int64(3)})
	second := record(t, "shop", map[string]any{"audit.sequence.stream_id": long, "audit.sequence.number": int64(9), "audit.record.id": "r"})
	got := sequence.New(1).Stage([]sequence.Record{first, second})
	assert.Equal(t, []sequence.Finding{{Kind: sequence.Gap, Stream: strings.Repeat("ä", 64) + "…", RecordID: "r", Producer: "shop", Number: 9, Expected: 4}}, got)
	assert.EqualValues(t, 5, got[0].Missing())
}

// A key that is there twice, as OTLP can bring it, is not what it seems.
func TestAttributeTwice(t *testing.T) {
	const twice = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[
		{"key":"audit.sequence.stream_id","value":{"stringValue":"s"}},
		{"key":"audit.sequence.number","value":{"intValue":"1"}},
		{"key":"audit.sequence.number","value":{"intValue":"2"}}]}]}]}]}`
	logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs([]byte(twice))
	require.NoError(t, err)
	r, ok := sequence.Read(logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes(), "")
	require.True(t, ok)
	assert.Equal(t, []sequence.Kind{sequence.Malformed}, kinds(sequence.New(1).Stage([]sequence.Record{r})))
}

func TestRecordsOfNoStream(t *testing.T) {
	for name, a := range map[string]map[string]any{
		"nothing":          {},
		"a number alone":   {"audit.sequence.number": int64(1)},
		"another's stream": {"stream_id": "s"},
	} {
		m := pcommon.NewMap()
		require.NoError(t, m.FromRaw(a))
		_, ok := sequence.Read(m, "")
		assert.False(t, ok, name)
	}
}

// What was not written did not happen.
func TestAbort(t *testing.T) {
	tr := sequence.New(10)
	tr.Stage([]sequence.Record{numbered(t, 1)})
	tr.Commit()
	for range 3 {
		assert.Empty(t, tr.Stage([]sequence.Record{numbered(t, 2), numbered(t, 3, end, true)}))
		tr.Abort()
	}
	assert.Equal(t, []sequence.Kind{sequence.Gap}, kinds(tr.Stage([]sequence.Record{numbered(t, 3)})))
	tr.Abort()
	tr.Stage([]sequence.Record{record(t, "", map[string]any{"audit.sequence.stream_id": "never written"})})
	tr.Abort()
	assert.Equal(t, 1, tr.Len())
}

// Any number of streams takes no more room than the table has, and forgets the quietest first.
func TestManyStreams(t *testing.T) {
	const streams = 1000
	tr := sequence.New(streams)
	of := func(stream string, n int64) []sequence.Record {
		return []sequence.Record{record(t, "", map[string]any{"audit.sequence.stream_id": stream, "audit.sequence.number": n})}
	}
	memory := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	tr.Stage(of("quiet", 1))
	tr.Commit()
	forgotten := 0
	before := uint64(0)
	for i := range 100_000 {
		tr.Stage(of(fmt.Sprint("hostile-", i, strings.Repeat("x", 500)), 1))
		forgotten += tr.Commit()
		if i%500 == 0 {
			tr.Stage(of("busy", int64(i/500)))
			forgotten += tr.Commit()
		}
		if i == 10*streams {
			before = memory()
		}
	}
	assert.Equal(t, streams, tr.Len())
	assert.Equal(t, 100_000+2-streams, forgotten)
	assert.Less(t, memory(), before+1<<20, "bytes of heap")
	assert.Equal(t, []sequence.Kind{sequence.Gap}, kinds(tr.Stage(of("busy", 1000))), "it is remembered")
	assert.Empty(t, tr.Stage(of("quiet", 1000)), "it is forgotten, and nothing is said")
	runtime.KeepAlive(tr)
}

// of makes records of streams by a producer, the first of each.
func of(t testing.TB, producer, prefix string, from, to int) (all []sequence.Record) {
	t.Helper()
	for i := from; i < to; i++ {
		all = append(all, record(t, producer, map[string]any{"audit.sequence.stream_id": fmt.Sprint(prefix, i), "audit.sequence.number": int64(1)}))
	}
	return all
}

// gap makes a record that leaves a gap in a stream of those that of has made.
func gap(t testing.TB, producer, stream string) []sequence.Record {
	t.Helper()
	return []sequence.Record{record(t, producer, map[string]any{"audit.sequence.stream_id": stream, "audit.sequence.number": int64(9)})}
}

// Streams without a proof cost nothing to make: however many there are, they take the place
// of none that has one.
func TestStreamsWithoutProofMakeWay(t *testing.T) {
	tr := sequence.New(100)
	tr.Stage(of(t, "", "early", 0, 100))
	tr.Commit()
	tr.Stage(of(t, "shop", "s", 0, 99))
	assert.Equal(t, 99, tr.Commit())
	tr.Stage(of(t, "", "hostile", 0, 5000))
	assert.Equal(t, 5000, tr.Commit())
	assert.Equal(t, 100, tr.Len())
	for i := range 99 {
		assert.Len(t, tr.Stage(gap(t, "shop", fmt.Sprint("s", i))), 1, "stream %d is remembered", i)
	}
	assert.Len(t, tr.Stage(gap(t, "", "hostile4999")), 1, "and the latest of the others")
}

// Of producers with proofs none can take more than its share from another.
func TestProducersShareTheRoom(t *testing.T) {
	tr := sequence.New(100)
	tr.Stage(of(t, "shop", "s", 0, 50))
	tr.Commit()
	tr.Stage(of(t, "stolen", "flood", 0, 5000))
	assert.Equal(t, 4950, tr.Commit())
	assert.Equal(t, 100, tr.Len())
	for i := range 50 {
		assert.Len(t, tr.Stage(gap(t, "shop", fmt.Sprint("s", i))), 1, "stream %d is remembered", i)
	}
	tr.Abort()
	tr.Stage(of(t, "", "s", 0, 5000))
	tr.Commit()
	assert.Len(t, tr.Stage(gap(t, "stolen", "flood4999")), 1)
}

// Against a model that remembers all there ever was.
func TestTrackerIsThatOfTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tr := sequence.New(100)
		last := map[string]int64{} // of what was committed
		for range rapid.IntRange(1, 20).Draw(rt, "commits") {
			staged := map[string]int64{}
			for k, v := range last {
				staged[k] = v
			}
			var records []sequence.Record
			var want []sequence.Kind
			for range rapid.IntRange(0, 8).Draw(rt, "records") {
				stream := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "stream")
				n := rapid.Int64Range(0, 12).Draw(rt, "number")
				records = append(records, record(t, "", map[string]any{"audit.sequence.stream_id": stream, "audit.sequence.number": n}))
				before, known := staged[stream]
				switch {
				case known && n <= before:
					want = append(want, sequence.Repeat)
					continue
				case known && n > before+1:
					want = append(want, sequence.Gap)
				}
				staged[stream] = n
			}
			require.Equal(rt, want, kinds(tr.Stage(records)))
			if rapid.Bool().Draw(rt, "durable") {
				tr.Commit()
				last = staged
			} else {
				tr.Abort()
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add("s", "1", "id", "00", true, int64(1))
	f.Fuzz(func(t *testing.T, stream, previous, id, sum string, last bool, n int64) {
		m := pcommon.NewMap()
		m.PutStr("audit.sequence.stream_id", stream)
		m.PutStr(previousID, previous)
		m.PutStr("audit.record.id", id)
		m.PutStr(previousHash, sum)
		m.PutBool(end, last)
		m.PutInt("audit.sequence.number", n)
		r, ok := sequence.Read(m, "")
		require.True(t, ok)
		require.LessOrEqual(t, len(r.Stream), 131)
		require.LessOrEqual(t, len(r.ID), 131)
		tr := sequence.New(1)
		tr.Stage([]sequence.Record{r, r})
		tr.Commit()
	})
}
