// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package promised_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/promised"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

var committed = time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC)

// receipt is one of a log, for a leaf and an event, with a checkpoint.
func receipt(origin, id string, index uint64, leaf byte, checkpoint string) *promised.Receipt {
	return &promised.Receipt{
		Origin: origin, EventID: id, Index: index, LeafHash: merkle.Hash{leaf},
		Commit: segline.AppendCommit(nil, index, committed.Add(time.Duration(index)*time.Second), nil), Checkpoint: []byte(checkpoint),
	}
}

// read adds receipts, one on each line of a file.
func read(t testing.TB, s *promised.Set, file string, receipts ...*promised.Receipt) {
	t.Helper()
	at := s.File(file)
	for _, r := range receipts {
		at.Line++
		require.NoError(t, s.Add(at, r))
	}
}

// Receipts promise the checkpoints that they hold, each once, of the first receipt that has it,
// the lowest leaf of all that have it, and to each log its own.
func TestPromises(t *testing.T) {
	s := &promised.Set{}
	read(t, s, "a.jsonl", receipt("a", "3", 3, 3, "one"), receipt("a", "2", 2, 2, "one"), receipt("b", "x", 9, 9, "other"))
	read(t, s, "b.jsonl", receipt("a", "5", 5, 5, "two"), receipt("a", "4", 4, 4, "one"))

	assert.Equal(t, 5, s.Len())
	require.Len(t, s.Logs(), 2)
	a, b := s.Logs()[0], s.Logs()[1]
	assert.Equal(t, []string{"a", "b"}, []string{a.Origin, b.Origin}, "in the order in which they came")
	assert.Equal(t, []*promised.Checkpoint{
		{Note: []byte("one"), Receipts: 3, First: "a.jsonl:1", Lowest: 2, Committed: committed.Add(3 * time.Second)},
		{Note: []byte("two"), Receipts: 1, First: "b.jsonl:1", Lowest: 5, Committed: committed.Add(5 * time.Second)},
	}, a.Promises)
	assert.Equal(t, "the checkpoint of the receipt at a.jsonl:1 and 2 more", a.Promises[0].String())
	assert.Equal(t, "the checkpoint of the receipt at b.jsonl:1", a.Promises[1].String())
	assert.Equal(t, []*promised.Checkpoint{
		{Note: []byte("other"), Receipts: 1, First: "a.jsonl:3", Lowest: 9, Committed: committed.Add(9 * time.Second)},
	}, b.Promises)
	assert.Empty(t, a.Broken())
	assert.Empty(t, b.Broken())
}

// The receipts of one log are its own, and none of another or of a log that no receipt is of.
func TestOf(t *testing.T) {
	s := &promised.Set{}
	read(t, s, "a.jsonl", receipt("a", "1", 1, 1, "one"), receipt("b", "2", 2, 2, "two"), receipt("a", "3", 3, 3, "one"))
	for origin, want := range map[string]int{"a": 2, "b": 1, "": 0, "A": 0, "a/b": 0} {
		one := s.Of(origin)
		assert.Equal(t, want, one.Len(), origin)
		if want == 0 {
			assert.Empty(t, one.Logs(), origin)
			continue
		}
		require.Len(t, one.Logs(), 1, origin)
		assert.Equal(t, origin, one.Logs()[0].Origin)
	}
	where, other := s.Of("a").OtherEvent(merkle.Hash{1}, []byte("9"))
	assert.True(t, other)
	assert.Equal(t, "a.jsonl:1", where)
}

// No receipts promise nothing.
func TestNone(t *testing.T) {
	for name, s := range map[string]*promised.Set{"nil": nil, "zero": {}} {
		assert.Zero(t, s.Len(), name)
		assert.Empty(t, s.Logs(), name)
		assert.Empty(t, s.Of("a").Logs(), name)
		_, other := s.OtherEvent(merkle.Hash{1}, []byte("1"))
		assert.False(t, other, name)
	}
}

// A leaf is the event that a receipt names for it, and no other, even one that has no id; of a leaf
// that no receipt is for, or that is for an event without an id, nothing is said.
func TestOtherEvent(t *testing.T) {
	s := &promised.Set{}
	read(t, s, "a.jsonl", receipt("a", "1", 1, 1, "one"), receipt("a", "", 2, 2, "one"))
	tests := []struct {
		name  string
		leaf  byte
		id    string
		where string
	}{
		{"the event", 1, "1", ""},
		{"another", 1, "2", "a.jsonl:1"},
		{"one that begins alike", 1, "11", "a.jsonl:1"},
		{"one without an id", 1, "", "a.jsonl:1"},
		{"a leaf of a receipt that names no event", 2, "2", ""},
		{"a leaf of no receipt", 3, "1", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			where, other := s.OtherEvent(merkle.Hash{test.leaf}, []byte(test.id))
			assert.Equal(t, test.where, where)
			assert.Equal(t, test.where != "", other)
		})
	}
}

// A receipt that does not prove what it says promises nothing, neither a checkpoint nor an event,
// and is named; so are two that contradict each other about a leaf, the first of which stands.
func TestBroken(t *testing.T) {
	s := &promised.Set{}
	forged := receipt("a", "1", 1, 1, "forged")
	forged.Broken = errors.New("no leaf of the tree")
	read(t, s, "a.jsonl", forged, receipt("a", "2", 2, 2, "one"), receipt("a", "2", 2, 2, "one"), receipt("a", "3", 2, 2, "two"))
	require.Len(t, s.Logs(), 1)
	l := s.Logs()[0]
	assert.Equal(t, 4, s.Len())
	assert.Equal(t, []string{
		"the receipt at a.jsonl:1 does not prove what it says, and has been changed since it was written: no leaf of the tree",
		"the receipt at a.jsonl:4 names another event for leaf 2 than that at a.jsonl:2",
	}, l.Broken())
	require.Len(t, l.Promises, 2)
	assert.Equal(t, []string{"one", "two"}, []string{string(l.Promises[0].Note), string(l.Promises[1].Note)})
	_, other := s.OtherEvent(merkle.Hash{1}, []byte("9"))
	assert.False(t, other, "of a broken receipt")
	_, other = s.OtherEvent(merkle.Hash{2}, []byte("2"))
	assert.False(t, other, "the first stands")
	_, other = s.OtherEvent(merkle.Hash{2}, []byte("3"))
	assert.True(t, other, "the second does not")
}

// Of many broken receipts a thousand are named, over all logs, and the rest is counted for each.
func TestManyBroken(t *testing.T) {
	s := &promised.Set{}
	var all []*promised.Receipt
	for i := range 1003 {
		r := receipt("a", "1", 1, 1, "")
		if i >= 1001 {
			r.Origin = "b"
		}
		r.Broken = fmt.Errorf("broken %d", i)
		all = append(all, r)
	}
	read(t, s, "a.jsonl", all...)
	require.Len(t, s.Logs(), 2)
	a, b := s.Logs()[0].Broken(), s.Logs()[1].Broken()
	require.Len(t, a, 1001)
	assert.Contains(t, a[999], "broken 999")
	assert.Equal(t, "1 more receipts do not prove what they say", a[1000])
	assert.Equal(t, []string{"2 more receipts do not prove what they say"}, b)
	assert.Equal(t, a, s.Logs()[0].Broken(), "again")
}

// There are at most MaxReceipts; the one beyond fails with the file it is from.
func TestTooManyReceipts(t *testing.T) {
	s := &promised.Set{}
	at := s.File("a.jsonl")
	r := receipt("a", "", 1, 1, "one")
	for range promised.MaxReceipts {
		if err := s.Add(at, r); err != nil {
			require.NoError(t, err)
		}
	}
	assert.ErrorContains(t, s.Add(at, r), "a.jsonl: there are more than 1048576 receipts")
	assert.Equal(t, promised.MaxReceipts, s.Len())
	assert.Equal(t, promised.MaxReceipts, s.Logs()[0].Promises[0].Receipts)
}

// A receipt's commit line that is none is an error, and adds no promise.
func TestMalformedCommit(t *testing.T) {
	s := &promised.Set{}
	r := receipt("a", "1", 1, 1, "one")
	r.Commit = r.Commit[:len(r.Commit)-1]
	require.Error(t, s.Add(s.File("a.jsonl"), r))
	assert.Empty(t, s.Logs()[0].Promises)
}
