// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/verify/fleet"
)

// No checkpoint that a trusted key has signed, no OK, whatever there is instead of a log.
func TestNothingIsChecked(t *testing.T) {
	t.Parallel()
	w := write(t, rotation.Options{}, 2)
	lines := w.lines(0)
	header, uncommitted := lines[0], bytes.Join(lines[:3], nil)
	uncommitted = uncommitted[:bytes.LastIndex(uncommitted[:len(uncommitted)-1], []byte("\n"))+1]
	plain := w.names[0]
	later := strings.Replace(plain, "00000-", "00007-", 1)
	for what, fsys := range map[string]fstest.MapFS{
		"an empty segment":           {plain: {}},
		"a later one":                {later: {}},
		"a header":                   {plain: {Data: header}},
		"a header without its end":   {plain: {Data: header[:len(header)-9]}},
		"zeros":                      {plain: {Data: make([]byte, 5000)}},
		"a line of zeros":            {plain: {Data: append(make([]byte, 5000), '\n')}},
		"garbage":                    {plain: {Data: []byte("garbage")}},
		"lines of garbage":           {plain: {Data: []byte("garbage\nmore\n")}},
		"a header and garbage":       {plain: {Data: append(bytes.Clone(header), "garbage\n"...)}},
		"events without a commit":    {plain: {Data: uncommitted}},
		"a commit without an end":    {plain: {Data: bytes.Join(lines[:3], nil)}},
		"too long a line":            {plain: {Data: bytes.Repeat([]byte("x"), segline.MaxBytes+2)}},
		"a directory":                {plain: {Mode: fs.ModeDir | 0o700}},
		"an empty file checkpoint":   {plain: {Data: header}, sidefile.CheckpointName: {}},
		"an empty file key-changes":  {plain: {Data: header}, sidefile.KeyChangesName: {}},
		"an empty pruned-ranges":     {plain: {Data: header}, sidefile.PrunedRangesName: {}},
		"an unsigned pruning":        {later: {Data: append(bytes.Clone(header), bare(own("pruned", `{"action":"pruned","before":7}`))...)}},
		"a checkpoint of a stranger": nil,
	} {
		for _, f := range fsys {
			f.Mode |= 0o600
		}
		if fsys == nil {
			c := write(t, rotation.Options{}, 1)
			fsys = fstest.MapFS{plain: {Data: append(bytes.Clone(header), c.lines(0)[3]...), Mode: 0o600}}
			r := check(t, fsys, verify.Options{Keys: trusting(w)})
			assert.Equal(t, verify.VerdictTampering, r.Verdict, what)
			assert.Contains(t, kinds(r.Findings), verify.NothingChecked)
			continue
		}
		for _, o := range []verify.Options{{Keys: trusting(w)}, {}} {
			r := check(t, fsys, o)
			assert.Equal(t, verify.VerdictUnchecked, r.Verdict, "%s: %+v", what, r.Findings)
			assert.Contains(t, kinds(r.Findings), verify.NothingChecked, what)
			assert.Positive(t, r.FindingCounts[verify.Unchecked])
			sum := checkTree(t, fstest.MapFS{"a/b": {}}, fsys, o)
			assert.Equal(t, 1, sum.Unchecked, what)
			assert.Zero(t, sum.Good)
			assert.False(t, sum.Complete(), what)
		}
	}
}

// checkTree checks a tree with a log in the directory "log".
func checkTree(t *testing.T, tree, log fstest.MapFS, o verify.Options) *fleet.Summary {
	t.Helper()
	for name, f := range log {
		tree["log/"+name] = f
	}
	sum, err := fleet.Check(t.Context(), tree, o, func(fleet.Log) error { return nil })
	require.NoError(t, err)
	return sum
}

// What only a log leaves contradicts that there was none.
func TestNothingIsCheckedAgainstTraces(t *testing.T) {
	keys := threeKeys(t)
	w := writeKeys(t, rotation.Options{}, keys...)
	newest := w.names[len(w.names)-1]
	header := w.lines(0)[0]
	empty := func(name string) *written {
		c := w.clone()
		for _, n := range c.names {
			delete(c.fsys, n)
		}
		delete(c.fsys, sidefile.KeyChangesName)
		delete(c.fsys, sidefile.CheckpointName)
		c.fsys[name] = &fstest.MapFile{Data: header, Mode: 0o600}
		return c
	}
	first := w.names[0]
	for what, add := range map[string]func(c *written, o *verify.Options){
		"a signed file checkpoint": func(c *written, _ *verify.Options) { c.fsys[sidefile.CheckpointName] = w.fsys[sidefile.CheckpointName] },
		"key changes":              func(c *written, _ *verify.Options) { c.fsys[sidefile.KeyChangesName] = w.fsys[sidefile.KeyChangesName] },
		"pruned ranges": func(c *written, _ *verify.Options) {
			c.fsys[sidefile.PrunedRangesName] = &fstest.MapFile{Data: append(sidefile.AppendPrunedRange(nil, sidefile.PrunedRange{Size: 1, Subtrees: make([]merkle.Hash, 1)}), '\n'), Mode: 0o600}
		},
		"a kept checkpoint": func(_ *written, o *verify.Options) {
			o.Checkpoints = []verify.Kept{{Note: w.fsys[sidefile.CheckpointName].Data}}
		},
		"a sealed segment": func(c *written, _ *verify.Options) { c.fsys[newest] = &fstest.MapFile{Mode: 0o600} },
	} {
		c, o := empty(first), verify.Options{Keys: public(keys...)}
		add(c, &o)
		r := check(t, c.fsys, o)
		assert.Equal(t, verify.VerdictTampering, r.Verdict, "%s: %+v", what, r.Findings)
	}
	assert.Equal(t, verify.VerdictUnchecked, check(t, empty(first).fsys, verify.Options{Keys: public(keys...)}).Verdict)
}

// A file checkpoint that is ahead of the segments is what a copy made while a collector
// wrote has; nobody but the directory vouches for it.
func TestACopyOfALogInUse(t *testing.T) {
	o, all := witnessed(t, rotation.Options{MaxSegmentBytes: 2000}, "witness.example/w1")
	o.Witnesses = nil
	w := write(t, o, 1, 1, 1, 1)
	newest := len(w.names) - 1
	cut := func() *written {
		c := w.clone()
		lines := c.lines(newest)
		c.setLines(newest, lines[:len(lines)-3])
		return c
	}
	r := cut().check(t)
	ahead := ofKind(r, verify.Rollback)
	require.Len(t, ahead, 1, "%+v", r.Findings)
	assert.Equal(t, verify.Unchecked, ahead[0].Severity)
	assert.Contains(t, ahead[0].Message, "copy again")
	assert.Equal(t, verify.VerdictUnchecked, r.Verdict)
	// A whole segment may be missing, too.
	c := w.clone()
	delete(c.fsys, c.names[newest])
	assert.Equal(t, verify.VerdictUnchecked, c.check(t).Verdict)
	// Kept elsewhere, or cosigned, it is evidence.
	c = cut()
	filed := c.fsys[sidefile.CheckpointName].Data
	r = check(t, c.fsys, verify.Options{Keys: trusting(w), Checkpoints: []verify.Kept{{Note: filed}}})
	assert.Equal(t, verify.VerdictTampering, r.Verdict, "%+v", r.Findings)
	c.fsys[sidefile.CheckpointName].Data = append(bytes.Clone(filed), all[0].Cosign(t, filed)...)
	r = check(t, c.fsys, verify.Options{Keys: trusting(w), Witnesses: keysOf(all...)})
	assert.Contains(t, kinds(bad(r)), verify.Rollback)
	// So it is where anything else is wrong.
	c = cut()
	lines := c.lines(0)
	c.setLines(0, slices.Delete(lines, 1, 2))
	assert.Equal(t, verify.VerdictTampering, c.check(t).Verdict)
}

// So is a key change beyond the end, where the log's keys lead to it: a key for each segment
// is one in each copy that a rotation comes between.
func TestACopyWithLaterKeyChanges(t *testing.T) {
	w := writeKeys(t, rotation.Options{}, threeKeys(t)...)
	for missing := 1; missing < len(w.names); missing++ {
		c := w.clone()
		delete(c.fsys, sidefile.CheckpointName)
		for _, name := range w.names[len(w.names)-missing:] {
			delete(c.fsys, name)
		}
		// The next segment begins where the copy ends, and what comes after that is ahead.
		r := c.check(t)
		ahead := ofKind(r, verify.Rollback)
		require.Len(t, ahead, missing-1, "%+v", r.Findings)
		for _, f := range ahead {
			assert.Equal(t, verify.Unchecked, f.Severity)
			assert.Contains(t, f.Message, "copy again")
		}
		assert.Empty(t, bad(r))
	}
}

// What a copy alone can explain says so, also where it is tampering: that cannot be told.
func TestFindingsThatACopyExplains(t *testing.T) {
	w := write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1, 1, 1)
	for name, change := range map[string]func(c *written){
		"a segment that was being compressed": func(c *written) { delete(c.fsys, c.names[2]) },
		"the oldest segments, deleted":        func(c *written) { delete(c.fsys, c.names[0]) },
		"a second copy to the same place, of a segment that has been compressed": func(c *written) {
			whole := c.fsys[c.names[1]].Data
			c.compress(t, c.names[1], compression.Zstd)
			c.fsys[c.names[1]] = &fstest.MapFile{Data: whole[:len(whole)/2], Mode: 0o600}
		},
	} {
		c := w.clone()
		change(c)
		found := bad(c.check(t))
		require.NotEmpty(t, found, name)
		assert.True(t, slices.ContainsFunc(found, func(f verify.Finding) bool {
			return f.Severity == verify.Tampering && strings.Contains(f.Message, "A copy made while a collector wrote looks the same")
		}), "%s: %+v", name, found)
	}
	// Nothing of the kind is said of what no copy does.
	c := w.clone()
	c.setLines(1, slices.Delete(c.lines(1), 1, 2))
	for _, f := range bad(c.check(t)) {
		assert.NotContains(t, f.Message, "copy again")
	}
}

// The file checkpoint says nothing if it is empty, and is no part of the log if it is
// anything else than the log's own.
func TestTheFileCheckpoint(t *testing.T) {
	w := write(t, rotation.Options{}, 2)
	note := w.fsys[sidefile.CheckpointName].Data
	other := signingtest.New(t, signing.Ed25519)
	cosigner := witnesstest.New(t, "witness.example/w1")
	resigned, err := signing.SignCheckpoint("test.example/auditlog", 4, [32]byte{}, other)
	require.NoError(t, err)
	strangers := bytes.Clone(note)
	strangers = append(strangers, resigned[bytes.LastIndex(resigned, []byte("\n\n"))+2:]...)
	twice := append(bytes.Clone(note), note[bytes.LastIndex(note, []byte("\n\n"))+2:]...)
	flip := func(note []byte, at int) []byte {
		note = bytes.Clone(note)
		note[at+10] = map[bool]byte{true: 'B', false: 'A'}[note[at+10] == 'A'] // base64 still
		return note
	}
	first, second := bytes.LastIndexByte(note, ' '), bytes.LastIndexByte(twice, ' ')
	for what, c := range map[string]struct {
		content []byte
		verdict string
	}{
		"empty":                               {nil, verify.VerdictOK},
		"its own":                             {note, verify.VerdictOK},
		"with a stranger's signature, too":    {strangers, verify.VerdictOK},
		"with a cosignature of nobody known":  {append(bytes.Clone(note), cosigner.Cosign(t, note)...), verify.VerdictOK},
		"signed twice":                        {twice, verify.VerdictOK},
		"signed twice, the first one is bad":  {flip(twice, first), verify.VerdictTampering},
		"signed twice, the second one is bad": {flip(twice, second), verify.VerdictOK},
		"of two keys, one is bad":             {flip(strangers, first), verify.VerdictTampering},
		"without its end":                     {note[:len(note)-1], verify.VerdictTampering},
		"junk":                                {[]byte("junk\n"), verify.VerdictTampering},
		"signed by a stranger":                {resigned, verify.VerdictTampering},
	} {
		w := w.clone()
		w.fsys[sidefile.CheckpointName].Data = c.content
		r := w.check(t)
		assert.Equal(t, c.verdict, r.Verdict, "%s: %+v", what, r.Findings)
	}
}
