// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// The file of pruned ranges is read as far as the first segment's beginning needs it, and
// there it must be as the log has written it.
func TestJunkInPrunedRanges(t *testing.T) {
	junk := &fstest.MapFile{Data: []byte("junk\n"), Mode: 0o600}
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 3000}, 1, 1, 1, 1)
	w.Files[sidefile.PrunedRangesName] = junk
	assert.Empty(t, checkCopy(t, w).Findings, "nothing is deleted")

	a := logtest.NewForger(t)
	a.Commit()
	a.Next(nil)
	sayPruned(a)
	tree, base := a.Tree, a.Head.FirstIndex
	require.Greater(t, tree.Size(), base)
	remove(a, 1)
	line := append(sidefile.AppendPrunedRange(nil, sidefile.PrunedRange{Size: base, Subtrees: a.Head.Frontier}), '\n')
	for what, c := range map[string]struct {
		content []byte
		bad     bool
	}{
		"its own":     {line, false},
		"junk after":  {append(line[:len(line):len(line)], "junk\n"...), false},
		"junk before": {append([]byte("junk\n"), line...), true},
		"junk alone":  {junk.Data, true},
		// A crash leaves this where the file had to begin anew.
		"nothing": {nil, false},
		"torn":    {line[:len(line)-1], false},
	} {
		fsys := a.Dir()
		fsys[sidefile.PrunedRangesName] = &fstest.MapFile{Data: c.content, Mode: 0o600}
		found := kinds(bad(check(t, fsys, verify.Options{Keys: logtest.PublicKeys(a.Signer)})))
		if c.bad {
			assert.Equal(t, []verify.Kind{verify.PrunedRangesInvalid}, found, what)
		} else {
			assert.Empty(t, found, what)
		}
	}
}

// A file's name says what its header does.
func TestANameOfAnotherTime(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1)
	n, err := segment.ParseName(w.Segments[0])
	require.NoError(t, err)
	n.Created = n.Created.Add(time.Second)
	w.Files[n.String()] = w.Files[w.Segments[0]]
	delete(w.Files, w.Segments[0])
	assert.Equal(t, []verify.Kind{verify.HeaderInvalid}, kinds(bad(checkCopy(t, w))))
}
