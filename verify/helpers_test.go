// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"context"
	"io/fs"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keptNotes are kept checkpoints without names.
func keptNotes(notes ...[]byte) (all []verify.Kept) {
	for _, note := range notes {
		all = append(all, verify.Kept{Note: note})
	}
	return all
}

func check(t testing.TB, fsys fs.FS, o verify.Options) *verify.Report {
	t.Helper()
	r, err := verify.Log(context.Background(), fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func checkCopy(t testing.TB, w *logtest.Copy) *verify.Report {
	t.Helper()
	return check(t, w.Files, verify.Options{Keys: []*signing.PublicKey{w.Signer.Public()}})
}

// cutOff reports whether a log is shorter than its file checkpoint says, as a copy made
// while it was written may be, too: it is not OK then.
func cutOff(r, whole *verify.Report) bool {
	return r.TreeSize < whole.TreeSize && r.Verdict == verify.VerdictUnchecked &&
		slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Kind == verify.Rollback && f.Segment == sidefile.CheckpointName })
}

// bad returns the findings that mean tampering.
func bad(r *verify.Report) (all []verify.Finding) {
	for _, f := range r.Findings {
		if f.Severity == verify.Tampering {
			all = append(all, f)
		}
	}
	return all
}

// amiss are the findings that keep the verdict from being ok.
func amiss(r *verify.Report) []verify.Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f verify.Finding) bool {
		return f.Severity != verify.Tampering && f.Severity != verify.Unchecked
	})
}

func kinds(findings []verify.Finding) (all []verify.Kind) {
	for _, f := range findings {
		all = append(all, f.Kind)
	}
	return all
}
func checkForged(a *logtest.Forger, o verify.Options) *verify.Report {
	a.T.Helper()
	if o.Keys == nil {
		o.Keys = logtest.PublicKeys(a.Signer)
	}
	return check(a.T, a.Dir(), o)
}
