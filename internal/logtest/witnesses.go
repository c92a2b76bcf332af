// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtest

import (
	"testing"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Witnessed adds witnesses to options of a log.
func Witnessed(t testing.TB, o rotation.Options, names ...string) (rotation.Options, []*witnesstest.Witness) {
	t.Helper()
	o.Origin = "test.example/auditlog"
	o.CheckpointSigner = signingtest.New(t, signing.Ed25519)
	var all []*witnesstest.Witness
	for _, name := range names {
		w := witnesstest.New(t, name)
		w.Now = func() time.Time { return time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC) } // as write has it
		w.Trust(t, o.Origin, o.CheckpointSigner.Public())
		all = append(all, w)
		o.Witnesses = append(o.Witnesses, w)
	}
	return o, all
}

func WitnessKeys(all ...*witnesstest.Witness) (keys []*witness.Key) {
	for _, w := range all {
		keys = append(keys, w.Key)
	}
	return keys
}
