// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signers_test

import (
	"strings"
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

// keys returns the keys with some numbers.
func keys(t testing.TB, numbers ...byte) (all []*signing.PublicKey) {
	t.Helper()
	for _, n := range numbers {
		all = append(all, key(t, n))
	}
	return all
}

// Of keys that repeat the first is left, in order, and the list given stays as it is.
func TestOnce(t *testing.T) {
	given := keys(t, 2, 1, 2, 3, 1, 1)
	assert.Equal(t, keys(t, 2, 1, 3), signers.Once(given))
	assert.Equal(t, keys(t, 2, 1, 2, 3, 1, 1), given)
	assert.Empty(t, signers.Once(nil))
}

// Keys sign what they are given or listed for, each once, and those of witnesses, delegates and
// anchors sign nothing of a log.
func TestTrustedKeys(t *testing.T) {
	trusted := signers.Trusted{Keys: keys(t, 1, 1), CheckpointKeys: keys(t, 2), Bounds: trust.Keys{
		{Public: key(t, 1), Use: trust.UseEvents},
		{Public: key(t, 3)},
		{Public: key(t, 4), Use: trust.UseCheckpoints},
		{Public: key(t, 5), Use: trust.UseEvents | trust.UseCheckpoints},
		{Public: key(t, 6), Use: trust.UseDelegate | trust.UseAnchor},
		{Witness: witnesstest.New(t, "w.example").Key},
	}}
	assert.Equal(t, keys(t, 1, 3, 5), trusted.Events())
	assert.Equal(t, keys(t, 2, 4, 5), trusted.Checkpoints())
	assert.Equal(t, keys(t, 1, 1), trusted.Keys, "the list given stays as it is")
	assert.Empty(t, (&signers.Trusted{}).Events())
}

// What the caller trusts is refused if a key is given for what it is not listed for, if no key may
// sign events although others are there, and as of no leaf.
func TestCheck(t *testing.T) {
	size := func(n uint64) *uint64 { return &n }
	id := key(t, 1).ID()
	listed := func(use trust.Use) trust.Keys { return trust.Keys{{Public: key(t, 1), Use: use}} }
	tests := []struct {
		name    string
		trusted signers.Trusted
		is      error
		wrong   string
	}{
		{"nothing", signers.Trusted{}, nil, ""},
		{"a key", signers.Trusted{Keys: keys(t, 1), AsOf: size(1)}, nil, ""},
		{"a listed key", signers.Trusted{Bounds: listed(0)}, nil, ""},
		{"a witness alone", signers.Trusted{Bounds: trust.Keys{{Witness: witnesstest.New(t, "w.example").Key}}}, nil, ""},
		{"given and listed for events", signers.Trusted{Keys: keys(t, 1), Bounds: listed(trust.UseEvents | trust.UseAnchor)}, nil, ""},
		{"given for events, listed for others", signers.Trusted{Keys: keys(t, 2, 1), Bounds: listed(trust.UseCheckpoints | trust.UseAnchor)}, nil, "the key " + id + " is given for events, but listed among the trusted keys for checkpoints, anchor only"},
		{"given for checkpoints, listed for events", signers.Trusted{CheckpointKeys: keys(t, 1), Bounds: listed(trust.UseEvents)}, nil, ""},
		{"given for checkpoints, listed for others", signers.Trusted{Keys: keys(t, 2), CheckpointKeys: keys(t, 1), Bounds: listed(trust.UseDelegate)}, nil, "the key " + id + " is given for checkpoints, but listed among the trusted keys for delegate only"},
		{"a key for checkpoints alone", signers.Trusted{CheckpointKeys: keys(t, 1)}, signers.ErrNoEventKey, ""},
		{"a listed key for checkpoints alone", signers.Trusted{Bounds: listed(trust.UseCheckpoints)}, signers.ErrNoEventKey, ""},
		{"as of no leaf", signers.Trusted{Keys: keys(t, 1), AsOf: size(0)}, nil, "a log as of no leaf shows nothing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.trusted.Check()
			switch {
			case test.is != nil:
				assert.ErrorIs(t, err, test.is)
			case test.wrong != "":
				assert.ErrorContains(t, err, test.wrong)
			default:
				assert.NoError(t, err)
			}
		})
	}
}

// An origin is the one asked for to the byte, or any if none is.
func TestCheckOrigin(t *testing.T) {
	one := signers.Trusted{Origin: "test.example/a"}
	assert.NoError(t, one.CheckOrigin("test.example/a"))
	for _, other := range []string{"", "test.example/A", "test.example/a/", "test.example/ab", "test.example/a "} {
		err := one.CheckOrigin(other)
		require.ErrorIs(t, err, signers.ErrWrongOrigin, other)
		assert.ErrorContains(t, err, `not "test.example/a"`)
	}
	assert.NoError(t, (&signers.Trusted{}).CheckOrigin("anything"))
}

// A key introduces another within its bounds, at the last leaf before the segment, and only one that
// is not listed for something else; a revoked one introduces none that is not trusted by itself.
func TestObjectionToChange(t *testing.T) {
	at := logtest.AtLeaf
	from := func(k trust.Key) trust.Key { k.Public = key(t, 1); return k }
	to := func(use trust.Use) trust.Key { return trust.Key{Public: key(t, 2), Use: use} }
	tests := []struct {
		name    string
		trusted signers.Trusted
		index   uint64
		want    string // "" is none
	}{
		{"nothing known", signers.Trusted{}, 7, ""},
		{"the last leaf of the key", signers.Trusted{Bounds: trust.Keys{from(trust.Key{Until: at(7)})}}, 7, ""},
		{"after the last leaf of the key", signers.Trusted{Bounds: trust.Keys{from(trust.Key{Until: at(7)})}}, 8, "valid up to leaf 7 only"},
		{"the first leaf of the key", signers.Trusted{Bounds: trust.Keys{from(trust.Key{From: at(7)})}}, 8, ""},
		{"before the first leaf of the key", signers.Trusted{Bounds: trust.Keys{from(trust.Key{From: at(7)})}}, 7, "valid from leaf 7 on only"},
		{"before any leaf", signers.Trusted{Bounds: trust.Keys{from(trust.Key{Until: at(1)})}}, 0, ""},
		{"the new key is listed for events", signers.Trusted{Bounds: trust.Keys{to(trust.UseEvents)}}, 7, ""},
		{"the new key is listed for checkpoints", signers.Trusted{Bounds: trust.Keys{to(trust.UseCheckpoints)}}, 7, "the key " + key(t, 2).ID() + " is listed for checkpoints only"},
		{"revoked before", signers.Trusted{Bounds: trust.Keys{from(trust.Key{Revoked: at(6)}), to(0)}}, 7, "revoked from leaf 6 on"},
		{"revoked later, the new key is not listed", signers.Trusted{Bounds: trust.Keys{from(trust.Key{Revoked: at(900)})}}, 7, "list the key " + key(t, 2).ID()},
		{"revoked later, another is listed", signers.Trusted{Keys: keys(t, 3), Bounds: trust.Keys{from(trust.Key{Revoked: at(900)}), {Public: key(t, 4)}}}, 7, "list the key " + key(t, 2).ID()},
		{"revoked later, the new key is listed", signers.Trusted{Bounds: trust.Keys{from(trust.Key{Revoked: at(900)}), to(0)}}, 7, ""},
		{"revoked later, the new key is given", signers.Trusted{Keys: keys(t, 2), Bounds: trust.Keys{from(trust.Key{Revoked: at(900)})}}, 7, ""},
		{"revoked later, the new key is given for checkpoints", signers.Trusted{CheckpointKeys: keys(t, 2), Bounds: trust.Keys{from(trust.Key{Revoked: at(900)})}}, 7, "list the key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			why := test.trusted.ObjectionToChange(&signing.KeyChange{From: key(t, 1), To: key(t, 2), Index: test.index}, noon)
			if test.want == "" {
				assert.Empty(t, why)
			} else {
				assert.Contains(t, why, test.want)
			}
		})
	}
}

// A kept checkpoint counts if one of the keys that signed it may have done so at its last leaf by
// index; their bounds in time do not count, and the last objection says whether its key is revoked.
func TestCheckKept(t *testing.T) {
	at := logtest.AtLeaf
	tests := []struct {
		name    string
		bounds  trust.Keys
		size    uint64
		by      []byte
		revoked bool
		wrong   string
	}{
		{"signed by nobody", nil, 7, nil, false, ""},
		{"nothing known", nil, 7, []byte{1}, false, ""},
		{"at the last leaf", trust.Keys{{Public: key(t, 1), Until: at(7)}}, 7, []byte{1}, false, ""},
		{"after the last leaf", trust.Keys{{Public: key(t, 1), Until: at(7)}}, 8, []byte{1}, false, "valid up to leaf 7 only"},
		{"no leaf", trust.Keys{{Public: key(t, 1), Until: at(1)}}, 0, []byte{1}, false, ""},
		{"revoked", trust.Keys{{Public: key(t, 1), Revoked: at(7)}}, 8, []byte{1}, true, "revoked from leaf 7 on"},
		{"bounds in time", trust.Keys{{Public: key(t, 1), From: atTime(noon), Until: atTime(noon), Revoked: atTime(noon)}}, 8, []byte{1}, false, ""},
		{"one of two may", trust.Keys{{Public: key(t, 1), Revoked: at(7)}}, 8, []byte{1, 2}, false, ""},
		{"none of two may", trust.Keys{{Public: key(t, 1), Revoked: at(7)}, {Public: key(t, 2), Until: at(7)}}, 8, []byte{1, 2}, false, "valid up to leaf 7"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			revoked, err := (&signers.Trusted{Bounds: test.bounds}).CheckKept(test.size, keys(t, test.by...))
			if test.wrong == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.wrong)
			}
			assert.Equal(t, test.revoked, revoked)
		})
	}
}

// A checkpoint is evidence against a log only if a key has signed it that is trusted for the log or
// its checkpoints, and that may have signed it.
func TestEvidence(t *testing.T) {
	note := func(by ...byte) string {
		var all []*signing.Signer
		for _, n := range by {
			all = append(all, signingtest.Numbered(t, n))
		}
		n, err := signing.SignCheckpoint("test.example/a", 8, [32]byte{1}, all...)
		require.NoError(t, err)
		return string(n)
	}
	event := signers.Trusted{Keys: keys(t, 1), CheckpointKeys: keys(t, 1, 2)}
	revoked := signers.Trusted{Bounds: trust.Keys{{Public: key(t, 1), Revoked: logtest.AtLeaf(7)}}}
	tests := []struct {
		name    string
		trusted signers.Trusted
		note    string
		is      error
		wrong   string // "" is none if is is nil
	}{
		{"by the log's key", event, note(1), nil, ""},
		{"by a key for checkpoints", event, note(2), nil, ""},
		{"by that and a stranger's", event, note(3, 2), nil, ""},
		{"by a stranger's", event, note(3), signing.ErrNoTrustedSignature, ""},
		{"nobody is trusted", signers.Trusted{}, note(1), signing.ErrNoTrustedSignature, ""},
		{"of another size than was signed", event, strings.Replace(note(1), "\n8\n", "\n9\n", 1), nil, "invalid signature"},
		{"by a revoked key", revoked, note(1), nil, "revoked from leaf 7 on"},
		{"no checkpoint", event, "no checkpoint", nil, "not a signed note"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.trusted.Evidence([]byte(test.note))
			switch {
			case test.is != nil:
				assert.ErrorIs(t, err, test.is)
			case test.wrong != "":
				assert.ErrorContains(t, err, test.wrong)
			default:
				assert.NoError(t, err)
			}
		})
	}
	_, why := signers.Objection(&revoked.Bounds[0], 7, time.Time{})
	assert.EqualError(t, revoked.Evidence([]byte(note(1))), why)
}
