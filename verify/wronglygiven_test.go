// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// Whatever an auditor hands over by mistake, an honest log is not accused: exit code 1 is for
// what the log is shown to have done. Nor is it called good.
func TestWhatIsWronglyGivenAccusesNobody(t *testing.T) {
	_, w, _ := logtest.WithReceipts(t, 5, 3)
	own, others := logtest.PublicKeys(w.Signer), signingtest.New(t, signing.Ed25519)
	size := checkCopy(t, w).TreeSize
	other := logtest.Write(t, rotation.Options{Origin: "other.example/auditlog", Signer: others}, 3)
	shared := logtest.Write(t, rotation.Options{Origin: "other.example/auditlog", Signer: w.Signer}, 3) // another log of the same key
	_, strange, strangers := logtest.WithReceipts(t, 2)
	require.NotEqual(t, strange.Signer, w.Signer)
	index := trust.Point{Index: size + 1000, ByIndex: true}
	ofOther := trust.Keys{{Public: others.Public(), Until: &index}, {Public: signingtest.New(t, signing.Ed25519).Public(), From: &index}}
	sizeBeyond := size + 1
	for name, o := range map[string]verify.Options{
		"a key that never signed the log":               {Keys: logtest.PublicKeys(others)},
		"that of another log, for events":               {Keys: logtest.PublicKeys(strange.Signer)},
		"a checkpoint key that it never had":            {Keys: own, CheckpointKeys: logtest.PublicKeys(others)},
		"its own key, for checkpoints as well":          {Keys: logtest.PublicKeys(others), CheckpointKeys: own},
		"another origin":                                {Keys: own, Origin: "other.example/auditlog"},
		"receipts of another log, of that name":         {Keys: own, Receipts: logtest.ReadReceipts(t, strangers)},
		"a checkpoint of another log":                   {Keys: own, Checkpoints: []verify.Kept{{Note: other.Checkpoint(t)}}},
		"a checkpoint of another log of its key":        {Keys: own, Checkpoints: []verify.Kept{{Note: shared.Checkpoint(t)}}},
		"a checkpoint of another log of that name":      {Keys: own, Checkpoints: []verify.Kept{{Note: strange.Checkpoint(t)}}},
		"a trust file of another log":                   {Keys: own, Trust: ofOther},
		"a trust file of another log, and its origin":   {Keys: own, Trust: ofOther, Origin: "test.example/auditlog"},
		"a trust file of another log alone":             {Trust: ofOther},
		"a checkpoint key that is known of another log": {Keys: own, Trust: trust.Keys{{Public: others.Public(), Use: trust.UseCheckpoints, From: &trust.Point{ByIndex: true}}}},
		"a key that is known to sign another log":       {Keys: own, Trust: trust.Keys{{Public: others.Public(), From: &trust.Point{Index: 2, ByIndex: true}}}},
		"the size of another log":                       {Keys: own, AsOf: &sizeBeyond},
		"a witness that it never had":                   {Keys: own, Witnesses: logtest.WitnessKeys(witnesstest.New(t, "witness.example/w9"))},
	} {
		r, err := verify.Log(t.Context(), w.Files, o)
		if err == nil {
			assert.Equal(t, verify.VerdictUnchecked, r.Verdict, "%s: %+v", name, r.Findings)
		}
	}
}

// A trust file with indices is of one log. Partitions share their keys: what it says is held
// against one of them only if that is asked for.
func TestIndicesAreOfOneLog(t *testing.T) {
	index := trust.Point{Index: 1000, ByIndex: true}
	a := logtest.NewForger(t, func(h *segment.Header) {
		h.Origin, h.Features = "test.example/auditlog/a", []segline.Feature{segline.FeaturePartition}
	})
	a.Commit()
	known := trust.Keys{{Public: a.Signer.Public(), Until: &index}}
	for origin, want := range map[string]string{"": verify.VerdictUnchecked, "test.example/auditlog/a": verify.VerdictTampering} {
		r := check(t, a.Dir(), verify.Options{Trust: known, Origin: origin, Now: at(time.Hour)})
		assert.Equal(t, want, r.Verdict, "%q: %+v", origin, r.Findings)
		assert.Equal(t, []verify.Kind{verify.Rollback}, kinds(amiss(r)), "%q", origin)
	}
	// A log that shares its keys with none is held against it.
	plain := logtest.Write(t, rotation.Options{}, 1)
	known[0].Public = plain.Signer.Public()
	assert.Equal(t, verify.VerdictTampering, check(t, plain.Files, verify.Options{Trust: known}).Verdict)
}
