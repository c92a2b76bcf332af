// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// A segment that differs from the one before in its keys, its scope or its features is
// introduced by a key change on its second line, and no other segment is.

// checkIntroduction says what is wrong with how a segment is introduced, given the one
// right before it. gone says that a key which signed checkpoints may do so no more, so that it
// need not agree.
func checkIntroduction(before, a *authority, gone func(*signing.PublicKey) bool) (kind Kind, why string) {
	switch {
	case a.header == nil || before.header == nil || a.newer != nil || before.newer != nil:
		return "", ""
	case a.change == nil:
		if what := changed(before.header, a.header); what != "" {
			return KeyChangeInvalid, fmt.Sprintf("the segment has other %s than the one before, and no key change introduces it", what)
		}
		return "", ""
	case changed(before.header, a.header) == "":
		return KeyChangeInvalid, "a key change introduces the segment, which has the keys, the scope and the features of the one before"
	case !a.change.From.Equal(before.signer()):
		return KeyChangeInvalid, fmt.Sprintf("the key change at its beginning is from the key %s, but the segment before is signed with %s", a.change.From.ID(), before.signer().ID())
	}
	signed := a.change.Leaving
	for _, k := range before.keys[1:] {
		switch {
		case slices.ContainsFunc(a.keys, k.Equal):
		case len(signed) > 0 && signed[0].Equal(k):
			signed = signed[1:]
		case !gone(k):
			return KeyChangeInvalid, fmt.Sprintf("the key %s, which signed the checkpoints before, is not among the segment's keys, and has not signed the key change at its beginning", k.ID())
		}
	}
	if len(signed) > 0 {
		return KeyChangeInvalid, fmt.Sprintf("the key change at its beginning lets the key %s leave, which did not sign the checkpoints before, or goes on to do so", signed[0].ID())
	}
	return "", ""
}

// changed says in what two headers differ that takes a key change, or "".
func changed(before, h *segment.Header) string {
	same := func(a, b segline.Key) bool { return bytes.Equal(a.PublicKey, b.PublicKey) }
	switch {
	case !slices.EqualFunc(before.Keys, h.Keys, same):
		return "keys"
	case before.Scope != h.Scope:
		return "scope"
	case !slices.Equal(before.Features, h.Features):
		return "features"
	default:
		return ""
	}
}
