// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// newer writes a log as a later version of the format may have it, from a segment on.
func newer(t *testing.T, change func(line []byte) []byte) *author {
	a := newAuthor(t)
	a.say(map[string]string{"action": "opened"})
	a.commit()
	a.next(nil)
	// The header that has been begun, as that version writes it.
	a.tree, _ = merkle.NewFrontier(a.head.FirstIndex, a.head.Frontier)
	line := change(bytes.TrimSuffix(a.text, []byte("\n")))
	a.text = nil
	a.line(line)
	a.line([]byte(`{"event":{"something":"else"}}`))
	a.line([]byte(`{"unheard":"of"}`))
	a.checkpoint(1)
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
			r := a.check(verify.Options{})
			assert.Equal(t, []verify.Kind{verify.NewerVersion}, kinds(r.Findings), "%+v", r.Findings)
			assert.Equal(t, verify.VerdictUnchecked, r.Verdict)
			assert.Equal(t, a.tree.Size(), r.TreeSize)
			for i, line := range bytes.SplitAfter(a.text, []byte("\n")) {
				for _, at := range []int{3, len(line) / 2, len(line) - 5} {
					if len(line) == 0 || i == 3 && at == 3 {
						continue // then it is no checkpoint, and the log as if it ended before
					}
					changed := *a
					changed.text = slices.Replace(bytes.Clone(a.text), bytes.Index(a.text, line)+at, bytes.Index(a.text, line)+at+1, line[at]^1)
					r, err := verify.Log(t.Context(), changed.dir(), verify.Options{Keys: public(a.signer)})
					assert.True(t, err != nil || r.TamperingDetected, "line %d, byte %d", i+1, at)
				}
			}
		})
	}
	a := newAuthor(t)
	a.say(map[string]string{"action": "moved_to_the_moon"})
	a.say(map[string]string{"action": "moved_back"})
	a.commit()
	r := a.check(verify.Options{})
	assert.Equal(t, []verify.Kind{verify.Kind("unknown_action")}, kinds(r.Findings))
	assert.Equal(t, verify.VerdictOK, r.Verdict)
}
