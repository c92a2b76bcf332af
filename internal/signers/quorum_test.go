// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signers_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// renamed returns the key of a witness under another name (c2sp.org/signed-note).
func renamed(t testing.TB, w *witnesstest.Witness, name string) *witness.Key {
	t.Helper()
	encoded := strings.SplitN(w.Key.String(), "+", 3)[2]
	typed, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(t, err)
	hash := sha256.Sum256(append([]byte(name+"\n"), typed...))
	k, err := witness.ParseKey(fmt.Sprintf("%s+%x+%s", name, hash[:4], encoded))
	require.NoError(t, err)
	return k
}

// A quorum counts witnesses by name: a witness that has changed its key is one, and a key that two
// names share is refused, as is a quorum that no number of witnesses can make or that needs none.
func TestQuorum(t *testing.T) {
	a, b, c := witnesstest.New(t, "a.example"), witnesstest.New(t, "b.example"), witnesstest.New(t, "c.example")
	next := witnesstest.New(t, "a.example").Key
	copied, err := witness.ParseKey(a.Key.String())
	require.NoError(t, err)
	tests := []struct {
		name         string
		keys         []*witness.Key
		quorum, want int
		wrong        string
	}{
		{"no witnesses", nil, 0, 0, ""},
		{"one of none", nil, 1, 0, "a quorum of 1 of 0 witnesses"},
		{"all", []*witness.Key{a.Key, b.Key, c.Key}, 0, 3, ""},
		{"two of three", []*witness.Key{a.Key, b.Key, c.Key}, 2, 2, ""},
		{"three of three", []*witness.Key{a.Key, b.Key, c.Key}, 3, 3, ""},
		{"four of three", []*witness.Key{a.Key, b.Key, c.Key}, 4, 0, "a quorum of 4 of 3 witnesses"},
		{"fewer than none", []*witness.Key{a.Key}, -1, 0, "a quorum of -1 of 1 witnesses"},
		{"all, one with two keys", []*witness.Key{a.Key, b.Key, next}, 0, 2, ""},
		{"three of two, one with two keys", []*witness.Key{a.Key, b.Key, next}, 3, 0, "a quorum of 3 of 2 witnesses"},
		{"one twice", []*witness.Key{a.Key, b.Key, copied}, 1, 0, "the witness a.example is given twice"},
		{"one key of two names", []*witness.Key{a.Key, b.Key, renamed(t, a, "d.example")}, 1, 0, "the witnesses a.example and d.example have the same key: they are one"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := signers.Quorum(test.keys, test.quorum)
			if test.wrong != "" {
				require.EqualError(t, err, test.wrong)
			} else {
				require.NoError(t, err)
			}
			assert.Equal(t, test.want, got)
		})
	}
}
