// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// A proof ends in the checkpoint that witnesses have cosigned, where there is one.
func TestProofOfAWitnessedLog(t *testing.T) {
	o, all := logtest.Witnessed(t, rotation.Options{}, "witness.example/w1", "witness.example/w2")
	w := logtest.Write(t, o, 3, 2)
	p := proveID(t, w, "id-001")
	got, err := proof.Check(p.Marshal(), proof.Options{Keys: logtest.PublicKeys(w.Signer), Witnesses: logtest.WitnessKeys(all...)})
	if err != nil || len(got.Cosigned) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = proof.Check(p.Marshal(), proof.Options{Keys: logtest.PublicKeys(w.Signer), Witnesses: logtest.WitnessKeys(witnesstest.New(t, "w"))})
	assert.ErrorIs(t, err, proof.ErrUnsigned, "with a stranger")
	assert.NotErrorIs(t, err, proof.ErrFails, "with a stranger")
}
