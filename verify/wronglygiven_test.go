// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/verify/fleet"
)

// Whatever an auditor hands over by mistake, an honest log is not accused: exit code 1 is for
// what the log is shown to have done. Nor is it called good.
func TestWhatIsWronglyGivenAccusesNobody(t *testing.T) {
	_, w, _ := withReceipts(t, 5, 3)
	own, others := public(w.signer), signingtest.New(t, signing.Ed25519)
	size := w.check(t).TreeSize
	other := write(t, rotation.Options{Origin: "other.example/auditlog", Signer: others}, 3)
	shared := write(t, rotation.Options{Origin: "other.example/auditlog", Signer: w.signer}, 3) // another log of the same key
	_, strange, strangers := withReceipts(t, 2)
	require.NotEqual(t, strange.signer, w.signer)
	index := trust.Point{Index: size + 1000, ByIndex: true}
	ofOther := trust.Keys{{Public: others.Public(), Until: &index}, {Public: signingtest.New(t, signing.Ed25519).Public(), From: &index}}
	sizeBeyond := size + 1
	for name, o := range map[string]verify.Options{
		"a key that never signed the log":               {Keys: public(others)},
		"that of another log, for events":               {Keys: public(strange.signer)},
		"a checkpoint key that it never had":            {Keys: own, CheckpointKeys: public(others)},
		"its own key, for checkpoints as well":          {Keys: public(others), CheckpointKeys: own},
		"another origin":                                {Keys: own, Origin: "other.example/auditlog"},
		"receipts of another log, of that name":         {Keys: own, Receipts: readReceipts(t, strangers)},
		"a checkpoint of another log":                   {Keys: own, Checkpoints: []verify.Kept{{Note: other.note(t)}}},
		"a checkpoint of another log of its key":        {Keys: own, Checkpoints: []verify.Kept{{Note: shared.note(t)}}},
		"a checkpoint of another log of that name":      {Keys: own, Checkpoints: []verify.Kept{{Note: strange.note(t)}}},
		"a trust file of another log":                   {Keys: own, Trust: ofOther},
		"a trust file of another log, and its origin":   {Keys: own, Trust: ofOther, Origin: "test.example/auditlog"},
		"a trust file of another log alone":             {Trust: ofOther},
		"a checkpoint key that is known of another log": {Keys: own, Trust: trust.Keys{{Public: others.Public(), Use: trust.UseCheckpoints, From: &trust.Point{ByIndex: true}}}},
		"a key that is known to sign another log":       {Keys: own, Trust: trust.Keys{{Public: others.Public(), From: &trust.Point{Index: 2, ByIndex: true}}}},
		"the size of another log":                       {Keys: own, AsOf: &sizeBeyond},
		"a witness that it never had":                   {Keys: own, Witnesses: keysOf(witnesstest.New(t, "witness.example/w9"))},
	} {
		r, err := verify.Log(t.Context(), w.fsys, o)
		if err == nil {
			assert.Equal(t, verify.VerdictUnchecked, r.Verdict, "%s: %+v", name, r.Findings)
		}
	}
}

// A trust file with indices is of one log. Partitions share their keys: what it says is held
// against one of them only if that is asked for.
func TestIndicesAreOfOneLog(t *testing.T) {
	index := trust.Point{Index: 1000, ByIndex: true}
	a := newAuthor(t, func(h *segment.Header) {
		h.Origin, h.Features = "test.example/auditlog/a", []segline.Feature{segline.FeaturePartition}
	})
	a.commit()
	known := trust.Keys{{Public: a.signer.Public(), Until: &index}}
	for origin, want := range map[string]string{"": verify.VerdictUnchecked, "test.example/auditlog/a": verify.VerdictTampering} {
		r := check(t, a.dir(), verify.Options{Trust: known, Origin: origin, Now: at(time.Hour)})
		assert.Equal(t, want, r.Verdict, "%q: %+v", origin, r.Findings)
		assert.Equal(t, []verify.Kind{verify.Rollback}, kinds(amiss(r)), "%q", origin)
	}
	// So it is with each log of a tree, whatever it is.
	plain := write(t, rotation.Options{}, 1)
	tree := fstest.MapFS{}
	for name, f := range plain.fsys {
		tree["a/"+name] = f
	}
	known[0].Public = plain.signer.Public()
	s, err := fleet.Check(t.Context(), tree, verify.Options{Trust: known}, func(l fleet.Log) error {
		assert.Equal(t, verify.VerdictUnchecked, l.Report.Verdict, fmt.Sprint(l.Report.Findings))
		return nil
	})
	require.NoError(t, err)
	assert.False(t, s.TamperingDetected)
	assert.Equal(t, verify.VerdictTampering, check(t, plain.fsys, verify.Options{Trust: known}).Verdict, "by itself")
}
