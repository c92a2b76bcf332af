// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// A segment that differs from the one before in its keys, its scope or its features is
// introduced by a key change on its second line, and no other segment is.

// misfit says in what a key change is not that which introduces the segment, or "".
func (a *authority) misfit(n *signing.KeyChange, first uint64) string {
	switch h := a.header; {
	case n.Origin != h.Origin || n.Log != h.Log:
		return "log"
	case n.Index != first || n.Root != a.rootBefore():
		return "place"
	case !n.To.Equal(a.signer()):
		return "key"
	case n.Header != a.headerLeaf:
		return "header"
	case !n.Retain.Equal(h.Retain):
		return "promise to retain leaves than its header's"
	default:
		return ""
	}
}

// keyChanged looks at an event that tells of a key change.
func (f *follower) keyChanged(e *ownEvent) {
	why := ""
	switch {
	case f.line != 2:
		why = "a key change stands on the second line of a segment, and nowhere else"
	case f.authority.header != nil && f.authority.change == nil:
		why = "the key change is malformed"
	default:
		return
	}
	f.add(Finding{Kind: KeyChangeInvalid, Severity: Tampering, Index: &e.index, EventID: e.id, Message: why})
}

// judgeIntroduction says what is wrong with how a segment is introduced, given the one
// right before it; nil if that is not known.
func judgeIntroduction(before, a *authority) (kind Kind, why string) {
	switch {
	case a.header == nil || before == nil || before.header == nil:
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
	leaving := slices.DeleteFunc(slices.Clone(before.keys[1:]), func(k *signing.PublicKey) bool { return slices.ContainsFunc(a.keys, k.Equal) })
	if !slices.EqualFunc(leaving, a.change.Leaving, (*signing.PublicKey).Equal) {
		return KeyChangeInvalid, "the key change at its beginning is not signed by just those keys that signed the checkpoints before and are not among the segment's"
	}
	return "", ""
}

// changed says in what two headers differ that takes a key change, or "".
func changed(before, h *segment.Header) string {
	same := func(a, b segment.Key) bool { return bytes.Equal(a.PublicKey, b.PublicKey) }
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
