// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package sequence_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sequence"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// following is a stage, and what it has reported.
type following struct {
	*sequence.Stage
	found map[sequence.Kind]int64
}

func follow(maxStreams int) *following {
	f := &following{found: map[sequence.Kind]int64{}}
	f.Stage = sequence.NewStage(maxStreams, func(found map[sequence.Kind]int64, _ int) {
		for kind, n := range found {
			f.found[kind] += n
		}
	})
	return f
}

// commit shows the stage a commit with a batch of these records, and returns what it says.
func (f *following) commit(durable bool, records ...sequence.Record) []logevent.Event {
	b := stage.NewBatch(stage.Form{Scope: segline.ScopeCheckpoint})
	for _, r := range records {
		sequence.Link(b, r)
	}
	a := stage.NewAdmission(1, time.Now(), &stage.Call{Batches: []*stage.Batch{b}})
	f.Admit(a)
	f.Settle(1, durable)
	return a.Said()
}

// What did not become durable has not happened: it is found again, and said again, with as
// much room for it as before.
func TestStageForgetsFailedCommits(t *testing.T) {
	f := follow(10)
	assert.Empty(t, f.commit(true, numbered(t, 1)))
	want := []logevent.Event{{Action: logevent.SequenceGap, Sequence: &logevent.Sequence{Stream: "s", RecordID: "id-5", Number: 5, Expected: 2, Missing: 3}}}
	for range 100 { // more often than there is room for in a second
		assert.Equal(t, want, f.commit(false, numbered(t, 5)))
	}
	assert.Empty(t, f.found)
	assert.Equal(t, want, f.commit(true, numbered(t, 5)))
	assert.Equal(t, map[sequence.Kind]int64{sequence.Gap: 1}, f.found)
	assert.Empty(t, f.commit(true, numbered(t, 6)))
}

// What is said of one producer's streams is bounded, takes nothing from another's, and is made
// up for with a number. All is counted.
func TestStageLimitsWhatItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(10)
		of := func(producer string, n int64) sequence.Record {
			return record(t, producer, map[string]any{"audit.sequence.stream_id": "s", "audit.sequence.number": n})
		}
		var noise []sequence.Record
		for i := range int64(71) {
			noise = append(noise, of("", 10*i))
		}
		assert.Len(t, f.commit(true, noise...), 60)
		assert.Empty(t, f.commit(true, of("shop", 1)))
		said := f.commit(true, of("shop", 3))
		if assert.Len(t, said, 1) {
			assert.Equal(t, "shop", said[0].Sequence.Producer)
		}
		assert.Equal(t, map[sequence.Kind]int64{sequence.Gap: 71}, f.found)
		time.Sleep(2 * time.Second) // of the bubble
		suppressed := []logevent.Event{{Action: logevent.SequenceSuppressed, Sequence: &logevent.Sequence{Count: 10}}}
		assert.Equal(t, suppressed, f.commit(false))
		assert.Equal(t, suppressed, f.commit(true))
		time.Sleep(time.Minute)
		assert.Empty(t, f.commit(true))
	})
}
