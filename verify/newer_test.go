// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// newer writes a log as a later version of the format may have it, from a segment on.
func newer(t *testing.T, change func(line []byte) []byte) *logtest.Forger {
	a := logtest.NewForger(t)
	a.Say(map[string]string{"action": "opened"})
	a.Commit()
	a.Next(nil)
	// The header that has been begun, as that version writes it.
	a.Tree, _ = merkle.NewFrontier(a.Head.FirstIndex, a.Head.Frontier)
	line := change(bytes.TrimSuffix(a.Text, []byte("\n")))
	a.Text = nil
	a.Line(line)
	a.Line([]byte(`{"event":{"something":"else"}}`))
	a.Line([]byte(`{"unheard":"of"}`))
	a.Checkpoint(1)
	return a
}

// What a newer version has written is not OK, and no tampering, unless it has been changed.
func TestANewerVersion(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"another format": func(l []byte) []byte { return bytes.Replace(l, []byte("auditlog/v1"), []byte("auditlog/v2"), 1) },
		"another feature": func(l []byte) []byte {
			return bytes.Replace(l, []byte(`"features":[]`), []byte(`"features":["blake3"]`), 1)
		},
		"another member": func(l []byte) []byte {
			return bytes.Replace(bytes.Replace(l, []byte("auditlog/v1"), []byte("auditlog/v2"), 1), []byte(`"keys"`), []byte(`"delegations":[],"keys"`), 1)
		},
		"one and an older": func(l []byte) []byte {
			return bytes.Replace(l, []byte(`"features":[]`), []byte(`"features":["ids","zzz"]`), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newer(t, change)
			r := checkForged(a, verify.Options{})
			assert.Equal(t, []verify.Kind{verify.NewerVersion}, kinds(r.Findings), "%+v", r.Findings)
			assert.Equal(t, verify.VerdictUnchecked, r.Verdict)
			assert.Equal(t, a.Tree.Size(), r.TreeSize)
			for i, line := range bytes.SplitAfter(a.Text, []byte("\n")) {
				for _, at := range []int{3, len(line) / 2, len(line) - 5} {
					if len(line) == 0 || i == 3 && at == 3 {
						continue // then it is no checkpoint, and the log as if it ended before
					}
					changed := *a
					changed.Text = slices.Replace(bytes.Clone(a.Text), bytes.Index(a.Text, line)+at, bytes.Index(a.Text, line)+at+1, line[at]^1)
					r, err := verify.Log(t.Context(), changed.Dir(), verify.Options{Keys: logtest.PublicKeys(a.Signer)})
					assert.True(t, err != nil || r.TamperingDetected, "line %d, byte %d", i+1, at)
				}
			}
		})
	}
	a := logtest.NewForger(t)
	a.Say(map[string]string{"action": "moved_to_the_moon"})
	a.Say(map[string]string{"action": "moved_back"})
	a.Commit()
	r := checkForged(a, verify.Options{})
	assert.Equal(t, []verify.Kind{verify.Kind("unknown_action")}, kinds(r.Findings))
	assert.Equal(t, verify.VerdictOK, r.Verdict)
}
