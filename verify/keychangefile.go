// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"cmp"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// checkKeyChanges says what is wrong with the file of key changes, given the log it
// belongs to.
func (c *checker) checkKeyChanges(results []*result, r *Report) (found []Finding) {
	say := func(kind Kind, format string, args ...any) {
		found = append(found, newFinding(kind, Tampering, place{segment: sidefile.KeyChangesName}, format, args...))
	}
	for _, why := range c.history.Unfit {
		say(KeyChangeInvalid, "%s", why)
	}
	newest := newestSigner(results)
	for i := range c.history.Changes {
		n := &c.history.Changes[i]
		leads := newest != nil && n.Index >= r.TreeSize && newest.Equal(n.From)
		if leads {
			newest = n.To
		}
		unread := unreadUpTo(results, n.Index)
		switch {
		case n.Origin != r.Origin && r.Origin != "":
			say(KeyChangeInvalid, "a key change of the log %q, not of %q", n.Origin, r.Origin)
		case r.Log != nil && n.Log != signing.LogID(r.Log):
			say(KeyChangeInvalid, "a key change at leaf %d of another log that has the origin %q, too", n.Index, n.Origin)
		case n.Index > r.TreeSize && unread != "":
			found = append(found, newFinding(Rollback, Unchecked, place{segment: sidefile.KeyChangesName},
				"the key was changed when the log had %d leaves, and %d could be read: %s may hold the others. %s", n.Index, r.TreeSize, unread, compression.HowToDecompress(unread)))
		case n.Index > r.TreeSize && leads && r.TreeSize > 0:
			// The keys of the log have signed it, like the file checkpoint.
			found = append(found, newFinding(Rollback, Unchecked, place{segment: sidefile.KeyChangesName},
				"the key was changed when the log had %d leaves, but it has only %d: its end is missing. %s", n.Index, r.TreeSize, copyAgain))
		case n.Index > r.TreeSize:
			say(Rollback, "the key was changed when the log had %d leaves, but it has only %d: its end is missing", n.Index, r.TreeSize)
		case contradicts(results, n):
			say(KeyChangeInvalid, "a change to the key %s at leaf %d, where the log has none", n.To.ID(), n.Index)
		}
	}
	return found
}

// newestSigner is the first key of the last segment that counts.
func newestSigner(results []*result) *signing.PublicKey {
	for _, r := range slices.Backward(results) {
		if r.end != nil && r.authority.header != nil {
			return r.authority.signer()
		}
	}
	return nil
}

// contradicts reports whether there is a segment that holds the leaf at which a key
// was changed, and knows nothing of it. The segment may have been pruned.
func contradicts(results []*result, n *signing.KeyChange) bool {
	i, found := slices.BinarySearchFunc(results, n.Index, func(r *result, index uint64) int {
		return cmp.Compare(r.file.Parsed.FirstIndex, index)
	})
	if !found {
		i--
	}
	if i < 0 || results[i].end == nil || results[i].authority.header == nil || n.Index >= results[i].end.size {
		return false
	}
	a := results[i].authority
	return !found || a.misfit(n, n.Index) != ""
}
