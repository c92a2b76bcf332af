// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing_test

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// change is a key change but for its keys.
func change(index uint64) signing.KeyChange {
	return signing.KeyChange{
		Origin: "test.example/log", Log: signing.LogID{7}, Index: index, Root: [32]byte{1, 2, 3}, Header: [32]byte{4, 5},
		Retain: time.Date(2027, 1, 2, 3, 4, 5, 6, time.UTC),
	}
}

func TestKeyChange(t *testing.T) {
	for _, from := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
		for _, to := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				a, b := signingtest.New(t, from), signingtest.New(t, to)
				want := change(17)
				note, err := signing.SignKeyChange(want, a, b)
				require.NoError(t, err)
				c, err := signing.OpenKeyChange(note)
				require.NoError(t, err)
				want.From, want.To, want.Note = a.Public(), b.Public(), note
				assert.Equal(t, want, c, "opened")
				_, err = signing.ParseCheckpoint(note)
				assert.Error(t, err, "a key change was taken for a checkpoint")
			})
		}
	}
}

// The key stays where the scope, the features or the checkpoint keys change: a key that
// leaves signs too.
func TestKeyChangeOfOtherKeys(t *testing.T) {
	a, b, c := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519), signingtest.New(t, signing.Ed25519)
	for name, one := range map[string]struct {
		to      *signing.Signer
		leaving []*signing.Signer
		lines   int
	}{
		"nothing leaves":            {a, nil, 1},
		"a checkpoint key leaves":   {a, []*signing.Signer{b}, 2},
		"two leave":                 {a, []*signing.Signer{b, c}, 3},
		"one leaves with the key":   {b, []*signing.Signer{c}, 3},
		"the key changes by itself": {b, nil, 2},
	} {
		note, err := signing.SignKeyChange(change(17), a, one.to, one.leaving...)
		require.NoError(t, err, name)
		got, err := signing.OpenKeyChange(note)
		require.NoError(t, err, name)
		assert.Len(t, got.Leaving, len(one.leaving), "%s: opened %+v", name, got)
		assert.Equal(t, one.lines, strings.Count(string(note), "\n\u2014 "), "%s: opened %+v", name, got)
		for i, s := range one.leaving {
			if !got.Leaving[i].Equal(s.Public()) {
				t.Errorf("%s: key %d that leaves is %s", name, i, got.Leaving[i].ID())
			}
		}
		// Without any one of its signatures it is none.
		text, signatures, _ := strings.Cut(string(note), "\n\n")
		lines := strings.SplitAfter(strings.TrimSuffix(signatures, "\n"), "\n")
		for i := range lines {
			rest := strings.Join(slices.Concat(lines[:i], lines[i+1:]), "")
			_, err := signing.OpenKeyChange([]byte(text + "\n\n" + strings.TrimSuffix(rest, "\n") + "\n"))
			assert.Error(t, err, "%s: opened without signature %d", name, i)
		}
	}
}

// Whatever byte of a key change is changed, it is refused.
func TestKeyChangeMutated(t *testing.T) {
	a, b := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)
	note, err := signing.SignKeyChange(change(17), a, b, signingtest.New(t, signing.Ed25519))
	require.NoError(t, err)
	for i := range note {
		for _, x := range []byte{0x01, 0x02, 0x20, 0x80} {
			changed := bytes.Clone(note)
			changed[i] ^= x
			if _, err := signing.OpenKeyChange(changed); err == nil {
				t.Fatalf("byte %d changed from %q to %q, and the note still opens", i, note[i], changed[i])
			}
		}
	}
}

func TestKeyChangeRefused(t *testing.T) {
	a, b, c := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.ECDSAP256)
	sign := func(from, to *signing.Signer) string {
		note, err := signing.SignKeyChange(change(17), from, to)
		require.NoError(t, err)
		return string(note)
	}
	good, other := sign(a, b), sign(a, c)
	text, signatures, _ := strings.Cut(good, "\n\n")
	lines := strings.SplitAfter(signatures, "\n")
	_, others, _ := strings.Cut(other, "\n\n")
	checkpoint, err := signing.SignCheckpoint("test.example/log", 17, [32]byte{}, a, b)
	require.NoError(t, err)
	for name, note := range map[string]string{
		"empty":                   "",
		"a checkpoint":            string(checkpoint),
		"one signature":           text + "\n\n" + lines[0],
		"signatures swapped":      text + "\n\n" + lines[1] + lines[0],
		"a third signature":       good + lines[0],
		"another's signatures":    text + "\n\n" + others,
		"an index with a zero":    strings.Replace(good, "\n17\n", "\n017\n", 1),
		"an index that is signed": strings.Replace(good, "\n17\n", "\n+17\n", 1),
		"a line too many":         strings.Replace(good, "\n\n", "\nmore\n\n", 1),
		"a key that leaves":       strings.Replace(good, "\n\n", "\nleaves "+base64.StdEncoding.EncodeToString(c.Public().SPKI())+"\n\n", 1),
		"another log":             strings.Replace(good, signing.LogID{7}.String(), signing.LogID{8}.String(), 1),
		"another promise":         strings.Replace(good, "retain 2027", "retain 2026", 1),
		"no promise":              strings.Replace(good, "retain 2027-01-02T03:04:05.000000006Z\n", "", 1),
		"a short time":            strings.Replace(good, "05.000000006Z", "05Z", 1),
		"another title":           strings.Replace(good, "auditlog key change v1", "auditlog key change v2", 1),
	} {
		_, err := signing.OpenKeyChange([]byte(note))
		assert.Error(t, err, "%s: opened", name)
	}
}

func FuzzOpenKeyChange(f *testing.F) {
	note, err := signing.SignKeyChange(change(17), signingtest.New(f, signing.ECDSAP256), signingtest.New(f, signing.Ed25519), signingtest.New(f, signing.Ed25519))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(note)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := signing.OpenKeyChange(b)
		if err == nil && (c.From == nil || c.To == nil || !bytes.Equal(c.Note, b)) {
			t.Errorf("opened %+v", c)
		}
	})
}
