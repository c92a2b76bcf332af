// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/verify/fleet"
)

// The directory of a partition is called as its origin ends. Others may be called anything.
func TestPartitionsInPlaceOfOneAnother(t *testing.T) {
	s := signingtest.New(t, signing.Ed25519)
	partition := func(origin string, events int) *logtest.Copy {
		return logtest.Write(t, rotation.Options{Signer: s, Origin: origin, Partition: true}, events)
	}
	acme, other, none, far := partition("fleet/0/acme", 3), partition("fleet/0/other", 2), partition("fleet/0/_none", 1), partition("fleet/1/acme", 2)
	plain := of(t, s, "fleet/plain", 1)
	o := verify.Options{Keys: logtest.PublicKeys(s), Checkpoints: []verify.Kept{{Note: acme.Checkpoint(t)}, {Note: other.Checkpoint(t)}, {Note: none.Checkpoint(t)}}}
	all := func(a, b, n string) forest {
		return forest{}.plant(a, acme.Files).plant(b, other.Files).plant(n, none.Files)
	}
	for name, c := range map[string]struct {
		f        forest
		tampered int
		findings []string
	}{
		"as they are":         {all("0/acme", "0/other", "0/_none"), 0, nil},
		"with another log":    {all("0/acme", "0/other", "0/_none").plant("x", plain.Files), 0, nil},
		"in another root":     {all("snapshot/acme", "snapshot/other", "snapshot/_none"), 0, nil},
		"two swapped":         {all("0/other", "0/acme", "0/_none"), 2, nil},
		"one renamed":         {all("0/acme", "0/older", "0/_none"), 1, nil},
		"in capitals":         {all("0/Acme", "0/other", "0/_none"), 1, nil},
		"a longer name":       {all("0/0/acme", "0/other", "0/xacme/_none"), 0, nil},
		"of another exporter": {all("0/acme", "0/other", "0/_none").plant("0/acme/far/acme", far.Files), 0, nil},
		"next to another's":   {all("1/acme", "0/other", "0/_none").plant("0/acme", far.Files), 0, []string{"tampering wrong_directory 0/acme"}},
	} {
		sum, logs := tree(t, c.f, o)
		assert.Equal(t, c.tampered, sum.Tampered, "%s: %s", name, encoded(logs))
		var wrong []string
		for _, one := range shape(sum) {
			if strings.Contains(one, "wrong_directory") {
				wrong = append(wrong, one)
			}
		}
		assert.Equal(t, c.findings, wrong, name)
		assert.Equal(t, c.tampered > 0 || c.findings != nil, sum.TamperingDetected, name)
	}
	// The root has no name of its own.
	sum, _ := tree(t, forest{}.plant(".", acme.Files), verify.Options{Keys: logtest.PublicKeys(s)})
	assert.False(t, sum.TamperingDetected)
}

// What was kept of a log that is not there accuses somebody only if a trusted key has signed
// it as it is.
func TestWhatWasKeptOfALogThatIsNotThere(t *testing.T) {
	s, beside, stranger := signingtest.New(t, signing.ECDSAP256), signingtest.New(t, signing.Ed25519), signingtest.New(t, signing.ECDSAP256)
	f := forest{}.plant("a", of(t, s, "fleet/a", 1).Files)
	sign := func(k *signing.Signer) []byte {
		note, err := signing.SignCheckpoint("fleet/b", 3, [32]byte{1}, k)
		require.NoError(t, err)
		return note
	}
	changed := bytes.Replace(sign(s), []byte("fleet/b"), []byte("Fleet/b"), 1)
	for name, c := range map[string]struct {
		note []byte
		o    verify.Options
		want verify.Severity
	}{
		"a key that is given":            {sign(s), verify.Options{Keys: logtest.PublicKeys(s)}, verify.Tampering},
		"one given for checkpoints":      {sign(beside), verify.Options{Keys: logtest.PublicKeys(s), CheckpointKeys: logtest.PublicKeys(beside)}, verify.Tampering},
		"a stranger":                     {sign(stranger), verify.Options{Keys: logtest.PublicKeys(s)}, verify.Unchecked},
		"a stranger, and no key":         {sign(stranger), verify.Options{}, verify.Unchecked},
		"a key that is given, a capital": {changed, verify.Options{Keys: logtest.PublicKeys(s)}, verify.Unchecked},
		"one that is revoked":            {sign(s), verify.Options{Trust: trust.Keys{{Public: s.Public(), Revoked: logtest.AtLeaf(2)}}}, verify.Unchecked},
	} {
		c.o.Checkpoints = []verify.Kept{{Name: "kept/b.txt", Note: c.note}}
		sum, _ := tree(t, f, c.o)
		i := slices.IndexFunc(sum.Findings, func(f fleet.Finding) bool { return strings.Contains(f.Message, "kept/b.txt") })
		require.GreaterOrEqual(t, i, 0, name)
		assert.Equal(t, c.want, sum.Findings[i].Severity, name)
		if c.want == verify.Unchecked {
			assert.False(t, sum.Complete(), name)
		}
	}
}
