// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// timed is a witness that cosigns whatever it gets, at a time that it likes.
type timed struct {
	*witnesstest.Witness
	t  testing.TB
	at time.Time
}

func (w timed) AddCheckpoint(_ context.Context, _ uint64, _ []merkle.Hash, checkpoint []byte) (witness.Cosignature, error) {
	return w.Key.Cosignature([]byte(string(checkpoint) + w.CosignAt(w.t, checkpoint, w.at)))
}

// cosignedAt writes a log that a witness cosigns at such a time, and returns its newest
// checkpoint, cosigned as well.
func cosignedAt(t *testing.T, at time.Time) (*logtest.Copy, *witnesstest.Witness, []byte) {
	t.Helper()
	o, all := logtest.Witnessed(t, rotation.Options{}, "w1")
	o.Witnesses = []cosigning.Witness{timed{all[0], t, at}}
	w := logtest.Write(t, o, 1, 2)
	note := w.Files[sidefile.CheckpointName].Data
	return w, all[0], note
}

// A witness signs any time that it likes. One that cannot be is told of, and does not count
// as a time; the tree that was cosigned counts.
func TestTimesOfCosignaturesThatCannotBe(t *testing.T) {
	begun := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) // as write has it
	now := begun.Add(time.Hour)
	for name, c := range map[string]struct {
		at   time.Time
		want verify.Kind // of a warning
	}{
		"1970":                  {time.Unix(0, 0), verify.Kind("time_went_back")},
		"9999":                  {time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), verify.Kind("time_in_future")},
		"two days before":       {begun.Add(-48 * time.Hour), verify.Kind("time_went_back")},
		"ahead by ten minutes":  {now.Add(10 * time.Minute), verify.Kind("time_in_future")},
		"then":                  {begun.Add(time.Minute), ""},
		"a clock that is ahead": {now.Add(time.Minute), ""},
		"a clock that is slow":  {begun.Add(-time.Hour), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, by, note := cosignedAt(t, c.at)
			o := verify.Options{Keys: logtest.PublicKeys(w.Signer), Witnesses: logtest.WitnessKeys(by), Now: func() time.Time { return now }}
			kept := o
			kept.Checkpoints = []verify.Kept{{Note: note}}
			for _, o := range []verify.Options{o, kept} {
				r := check(t, w.Files, o)
				if r.TamperingDetected || r.WitnessedSize == 0 {
					t.Fatalf("witnessed up to %d: %+v", r.WitnessedSize, r.Findings)
				}
				said := slices.Concat(ofKind(r, verify.Kind("time_went_back")), ofKind(r, verify.Kind("time_in_future")))
				if (len(said) > 0) != (c.want != "") {
					t.Errorf("it is said %+v", said)
				}
				for _, one := range said {
					if one.Kind != c.want || one.Severity != verify.Warning || !strings.Contains(one.Message, "w1") {
						t.Errorf("it is said %+v", one)
					}
				}
				if at := r.Witnesses[0].Time; (at == nil) != (c.want != "") {
					t.Errorf("the newest cosignature is of %v", at)
				}
			}
		})
	}
}

// Nor does such a time get a witness around the bounds in time of its key.
func TestATimeThatCannotBeGoesAroundNoBound(t *testing.T) {
	w, by, note := cosignedAt(t, time.Unix(0, 0))
	revoked := trust.Point{Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)} // before all of it
	o := verify.Options{Trust: trust.Keys{{Public: w.Signer.Public()}, {Witness: by.Key, Revoked: &revoked, Reason: "stolen"}}, Witnesses: logtest.WitnessKeys(by), Quorum: 1}
	for _, kept := range [][][]byte{nil, {note}} {
		o.Checkpoints = keptNotes(kept...)
		r := check(t, w.Files, o)
		if r.WitnessedSize != 0 || len(ofKind(r, verify.KeyRevoked)) == 0 {
			t.Errorf("witnessed up to %d: %+v", r.WitnessedSize, r.Findings)
		}
	}
}
