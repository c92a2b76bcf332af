// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signers_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func key(t testing.TB, n byte) *signing.PublicKey {
	t.Helper()
	return signingtest.Numbered(t, n).Public()
}

func atTime(at time.Time) *trust.Point { return &trust.Point{Time: at} }

// What is known of a key is found by the key alone, however it was read, and a log's is never taken
// for a witness's.
func TestFind(t *testing.T) {
	w, other := witnesstest.New(t, "w.example"), witnesstest.New(t, "w.example")
	again, err := signing.ParsePublicKeyDER(key(t, 1).SPKI())
	require.NoError(t, err)
	known := trust.Keys{{Witness: w.Key}, {Public: key(t, 2)}, {Public: key(t, 1)}}

	assert.Same(t, &known[2], signers.Find(known, again))
	assert.Same(t, &known[1], signers.Find(known, key(t, 2)))
	assert.Nil(t, signers.Find(known, key(t, 3)))
	assert.Nil(t, signers.Find(nil, key(t, 1)))

	assert.Same(t, &known[0], signers.FindWitness(known, w.Key))
	assert.Nil(t, signers.FindWitness(known, other.Key), "another key of the same name")
	assert.Nil(t, signers.FindWitness(known[1:], w.Key))
}

// A log has the leaf from which a key is valid, and all before the one at which a key was left or
// revoked; times and the keys of others say nothing of its size.
func TestLeastSize(t *testing.T) {
	at := logtest.AtLeaf
	tests := []struct {
		name  string
		known trust.Keys
		size  uint64
		by    int // -1 is none
	}{
		{"no keys", nil, 0, -1},
		{"no bounds", trust.Keys{{}}, 0, -1},
		{"valid from the first leaf on", trust.Keys{{From: at(0)}}, 1, 0},
		{"valid from a leaf on", trust.Keys{{From: at(7)}}, 8, 0},
		{"valid until a leaf", trust.Keys{{Until: at(7)}}, 7, 0},
		{"valid until the first leaf", trust.Keys{{Until: at(0)}}, 0, -1},
		{"revoked from a leaf on", trust.Keys{{Revoked: at(7)}}, 7, 0},
		{"the largest of a key's", trust.Keys{{From: at(7), Until: at(9), Revoked: at(8)}}, 9, 0},
		{"a start beyond the end", trust.Keys{{From: at(9), Until: at(9)}}, 10, 0},
		{"the largest of all keys'", trust.Keys{{Until: at(7)}, {Revoked: at(8)}, {From: at(6)}}, 8, 1},
		{"the first that says so", trust.Keys{{Until: at(8)}, {From: at(7)}}, 8, 0},
		{"times", trust.Keys{{From: atTime(noon), Until: atTime(noon), Revoked: atTime(noon)}}, 0, -1},
		{"an index that does not count", trust.Keys{{From: &trust.Point{Index: 7, Time: noon}}}, 0, -1},
		{"a key for checkpoints", trust.Keys{{Use: trust.UseCheckpoints, From: at(7)}}, 8, 0},
		{"a witness", trust.Keys{{Witness: witnesstest.New(t, "w.example").Key, From: at(7)}}, 0, -1},
		{"a delegate and an anchor", trust.Keys{{Use: trust.UseDelegate | trust.UseAnchor, Until: at(7)}}, 0, -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			size, by := signers.LeastSize(test.known)
			assert.Equal(t, test.size, size)
			if test.by < 0 {
				assert.Nil(t, by)
			} else {
				assert.Same(t, &test.known[test.by], by)
			}
		})
	}
}

// ByIndex keeps all of a key but its bounds in time, and leaves the key itself as it is.
func TestByIndex(t *testing.T) {
	k := trust.Key{Public: key(t, 1), From: atTime(noon), Until: logtest.AtLeaf(7), Revoked: atTime(noon), Reason: "lost", Use: trust.UseCheckpoints}
	before := k
	assert.Equal(t, &trust.Key{Public: k.Public, Until: logtest.AtLeaf(7), Reason: "lost", Use: trust.UseCheckpoints}, signers.ByIndex(&k))
	assert.Equal(t, before, k)
	k = trust.Key{From: logtest.AtLeaf(0), Until: atTime(noon), Revoked: logtest.AtLeaf(9)}
	assert.Equal(t, &trust.Key{From: logtest.AtLeaf(0), Revoked: logtest.AtLeaf(9)}, signers.ByIndex(&k))
	assert.Equal(t, &trust.Key{}, signers.ByIndex(&trust.Key{}))
}

// A leaf at a point has reached it, and one of which no time is known has reached any time, but no
// index for that.
func TestReached(t *testing.T) {
	tests := []struct {
		name  string
		point *trust.Point
		index uint64
		at    time.Time
		want  bool
	}{
		{"before an index", logtest.AtLeaf(7), 6, noon, false},
		{"at an index", logtest.AtLeaf(7), 7, noon, true},
		{"after an index", logtest.AtLeaf(7), 8, noon, true},
		{"before an index, time unknown", logtest.AtLeaf(7), 6, time.Time{}, false},
		{"before a time", atTime(noon), 1 << 52, noon.Add(-1), false},
		{"at a time", atTime(noon), 0, noon, true},
		{"at a time in another zone", atTime(noon.In(time.FixedZone("", 7200))), 0, noon, true},
		{"after a time", atTime(noon), 0, noon.Add(1), true},
		{"a time, time unknown", atTime(noon), 0, time.Time{}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, signers.Reached(test.point, test.index, test.at))
		})
	}
}

// A key may have signed a leaf within its bounds, From ≤ leaf < Until, unless it was revoked by
// then, which counts most.
func TestObjection(t *testing.T) {
	at, id := logtest.AtLeaf, key(t, 1).ID()
	w := witnesstest.New(t, "w.example").Key
	tests := []struct {
		name    string
		bounds  *trust.Key
		index   uint64
		at      time.Time
		revoked bool
		why     string
	}{
		{"nothing known", nil, 7, noon, false, ""},
		{"no bounds", &trust.Key{}, 7, noon, false, ""},
		{"at the first leaf", &trust.Key{From: at(7), Until: at(8)}, 7, noon, false, ""},
		{"before the first leaf", &trust.Key{From: at(7), Until: at(8)}, 6, noon, false, "the key " + id + " is valid from leaf 7 on only"},
		{"at the end", &trust.Key{From: at(7), Until: at(8)}, 8, noon, false, "the key " + id + " is valid up to leaf 8 only"},
		{"before its time", &trust.Key{From: atTime(noon)}, 7, noon.Add(-1), false, "the key " + id + " is valid from 2026-06-01T12:00:00Z on only"},
		{"at the end of its time", &trust.Key{Until: atTime(noon)}, 7, noon, false, "the key " + id + " is valid up to 2026-06-01T12:00:00Z only"},
		{"a start in time, time unknown", &trust.Key{From: atTime(noon)}, 7, time.Time{}, false, ""},
		{"an end in time, time unknown", &trust.Key{Until: atTime(noon)}, 7, time.Time{}, false, "the key " + id + " is valid up to 2026-06-01T12:00:00Z only"},
		{"before it was revoked", &trust.Key{Revoked: at(8), Reason: "lost"}, 7, noon, false, ""},
		{"revoked", &trust.Key{Revoked: at(8), Reason: "lost"}, 8, noon, true, "the key " + id + " is revoked from leaf 8 on (lost)"},
		{"revoked, time unknown", &trust.Key{Revoked: atTime(noon)}, 0, time.Time{}, true, "the key " + id + " is revoked from 2026-06-01T12:00:00Z on"},
		{"revoked, before the first leaf and at the end", &trust.Key{From: at(9), Until: at(8), Revoked: at(8)}, 8, noon, true, "the key " + id + " is revoked from leaf 8 on"},
		{"a witness", &trust.Key{Witness: w, Until: at(8)}, 8, noon, false, "the key of the witness w.example is valid up to leaf 8 only"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.bounds != nil && test.bounds.Witness == nil {
				test.bounds.Public = key(t, 1)
			}
			revoked, why := signers.Objection(test.bounds, test.index, test.at)
			assert.Equal(t, test.why, why)
			assert.Equal(t, test.revoked, revoked)
		})
	}
}
