// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func TestKeyChange(t *testing.T) {
	for _, from := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
		for _, to := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				a, b := signingtest.New(t, from), signingtest.New(t, to)
				root := [32]byte{1, 2, 3}
				note, err := signing.SignKeyChange("test.example/log", 17, root, a, b)
				if err != nil {
					t.Fatal(err)
				}
				c, err := signing.OpenKeyChange(note)
				if err != nil {
					t.Fatal(err)
				}
				if c.Origin != "test.example/log" || c.Index != 17 || c.Root != root || !c.From.Equal(a.Public()) || !c.To.Equal(b.Public()) {
					t.Errorf("opened %+v", c)
				}
				if _, err := signing.ParseCheckpoint(note); err == nil {
					t.Error("a key change was taken for a checkpoint")
				}
			})
		}
	}
}

// Whatever byte of a key change is changed, it is refused.
func TestKeyChangeMutated(t *testing.T) {
	a, b := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519)
	note, err := signing.SignKeyChange("test.example/log", 17, [32]byte{9}, a, b)
	if err != nil {
		t.Fatal(err)
	}
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
		note, err := signing.SignKeyChange("test.example/log", 17, [32]byte{}, from, to)
		if err != nil {
			t.Fatal(err)
		}
		return string(note)
	}
	good, other := sign(a, b), sign(a, c)
	text, signatures, _ := strings.Cut(good, "\n\n")
	lines := strings.SplitAfter(signatures, "\n")
	_, others, _ := strings.Cut(other, "\n\n")
	checkpoint, err := signing.SignCheckpoint("test.example/log", 17, [32]byte{}, a, b)
	if err != nil {
		t.Fatal(err)
	}
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
	} {
		if _, err := signing.OpenKeyChange([]byte(note)); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := signing.SignKeyChange("test.example/log", 1, [32]byte{}, a, a); err == nil {
		t.Error("a key introduced itself")
	}
}

func FuzzOpenKeyChange(f *testing.F) {
	note, err := signing.SignKeyChange("test.example/log", 17, [32]byte{}, signingtest.New(f, signing.ECDSAP256), signingtest.New(f, signing.Ed25519))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(note)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := signing.OpenKeyChange(b)
		if err == nil && (c.From == nil || c.To == nil || c.From.Equal(c.To) || !bytes.Equal(c.Note, b)) {
			t.Errorf("opened %+v", c)
		}
	})
}
