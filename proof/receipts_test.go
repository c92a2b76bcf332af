// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// Whatever else a file holds, a receipt that fails is not taken for one that cannot be
// checked.
func TestAFailingReceiptBesideOneOfAnotherKey(t *testing.T) {
	_, w, receipts := logtest.WithReceipts(t, 2)
	_, other, theirs := logtest.WithReceipts(t, 2)
	line := bytes.SplitAfter(receipts, []byte("\n"))[0]
	// The signature is another, but still base64.
	at := bytes.LastIndex(line, []byte(`\n"}`))
	forged := bytes.Clone(line)
	for i := at - 20; i < at-10; i++ {
		forged[i] = 'A'
	}
	keys := []*signing.PublicKey{w.Signer.Public()}
	_, err := proof.CheckReceipts(logtest.ReadReceipts(t, theirs), proof.Options{Keys: keys})
	require.ErrorIs(t, err, verify.ErrWrongKey)
	for _, text := range [][]byte{append(bytes.Clone(theirs), forged...), append(bytes.Clone(forged), theirs...)} {
		_, err = proof.CheckReceipts(logtest.ReadReceipts(t, text), proof.Options{Keys: keys})
		require.ErrorIs(t, err, proof.ErrFails)
	}
	p, err := proof.CheckReceipts(logtest.ReadReceipts(t, append(bytes.Clone(theirs), line...)), proof.Options{Keys: append(keys, other.Signer.Public())})
	require.NoError(t, err)
	assert.Len(t, p.SignedBy, 2)
}

// Receipts show as much as the keys that have signed them are worth: not what a revoked key
// alone has signed, nor what the checkpoint key has.
func TestReceiptsByKeysThatAreNotGood(t *testing.T) {
	beside := signingtest.New(t, signing.Ed25519)
	o, w, receipts := logtest.WithReceipts(t, 3, 2)
	size := w.Size(t)
	signer := trust.Key{Public: w.Signer.Public()}
	with := func(change func(*trust.Key)) trust.Keys {
		k := signer
		change(&k)
		return trust.Keys{k}
	}
	at := func(years int) *trust.Point {
		return &trust.Point{Time: time.Date(2026+years, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	for name, c := range map[string]struct {
		o    proof.Options
		want error
	}{
		"a good key":                       {proof.Options{Trust: trust.Keys{signer}}, nil},
		"revoked later":                    {proof.Options{Trust: with(func(k *trust.Key) { k.Revoked = logtest.AtLeaf(size) })}, proof.ErrRevokedAlone},
		"revoked at a later time":          {proof.Options{Trust: with(func(k *trust.Key) { k.Revoked = at(3) })}, proof.ErrRevokedAlone},
		"revoked later, had before":        {proof.Options{AsOf: &size, Trust: with(func(k *trust.Key) { k.Revoked = at(3) })}, nil},
		"revoked, had before that":         {proof.Options{AsOf: &size, Trust: with(func(k *trust.Key) { k.Revoked = logtest.AtLeaf(3) })}, proof.ErrFails},
		"left at a later time":             {proof.Options{Trust: with(func(k *trust.Key) { k.Until = at(3) })}, nil},
		"left at an earlier time":          {proof.Options{Trust: with(func(k *trust.Key) { k.Until = at(0) })}, proof.ErrFails},
		"not valid yet":                    {proof.Options{Trust: with(func(k *trust.Key) { k.From = at(3) })}, proof.ErrFails},
		"for checkpoints":                  {proof.Options{CheckpointKeys: logtest.PublicKeys(w.Signer)}, verify.ErrNoEventKey},
		"another for checkpoints":          {proof.Options{Keys: logtest.PublicKeys(w.Signer), CheckpointKeys: logtest.PublicKeys(beside)}, proof.ErrUnsigned},
		"another for checkpoints, begun":   {proof.Options{Keys: logtest.PublicKeys(w.Signer), Trust: trust.Keys{{Public: beside.Public(), Use: trust.UseCheckpoints, From: logtest.AtLeaf(0)}}}, proof.ErrFails},
		"another for checkpoints, not yet": {proof.Options{Keys: logtest.PublicKeys(w.Signer), Trust: trust.Keys{{Public: beside.Public(), Use: trust.UseCheckpoints, From: logtest.AtLeaf(size)}}}, nil},
		"its origin":                       {proof.Options{Keys: logtest.PublicKeys(w.Signer), Origin: o.Origin}, nil},
		"another origin":                   {proof.Options{Keys: logtest.PublicKeys(w.Signer), Origin: "other.example/auditlog"}, verify.ErrWrongOrigin},
	} {
		_, err := proof.CheckReceipts(logtest.ReadReceipts(t, receipts), c.o)
		assert.ErrorIs(t, err, c.want, name)
		assert.Equal(t, c.want == nil, err == nil, name)
	}
	early := size - 1
	_, err := proof.CheckReceipts(logtest.ReadReceipts(t, receipts), proof.Options{Keys: logtest.PublicKeys(w.Signer), AsOf: &early})
	assert.ErrorContains(t, err, "has not been there since the log had")
	assert.NotErrorIs(t, err, proof.ErrFails)
	// The checkpoint key alone makes a receipt of any event.
	_, forged, theirs := logtest.WithReceipts(t, 3)
	_, err = proof.CheckReceipts(logtest.ReadReceipts(t, theirs), proof.Options{Keys: logtest.PublicKeys(w.Signer), CheckpointKeys: logtest.PublicKeys(forged.Signer)})
	assert.ErrorIs(t, err, verify.ErrWrongKey)
}
