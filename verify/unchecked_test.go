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
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// No checkpoint that a trusted key has signed, no OK, whatever there is instead of a log.
func TestNothingIsChecked(t *testing.T) {
	t.Parallel()
	w := logtest.Write(t, rotation.Options{}, 2)
	lines := w.Lines(0)
	header, uncommitted := lines[0], bytes.Join(lines[:3], nil)
	uncommitted = uncommitted[:bytes.LastIndex(uncommitted[:len(uncommitted)-1], []byte("\n"))+1]
	plain := w.Segments[0]
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
		"an unsigned pruning":        {later: {Data: append(bytes.Clone(header), logtest.BareLine(logtest.OwnEvent("pruned", `{"action":"pruned","before":7}`))...)}},
		"a checkpoint of a stranger": nil,
	} {
		for _, f := range fsys {
			f.Mode |= 0o600
		}
		if fsys == nil {
			c := logtest.Write(t, rotation.Options{}, 1)
			fsys = fstest.MapFS{plain: {Data: append(bytes.Clone(header), c.Lines(0)[3]...), Mode: 0o600}}
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
		}
	}
}

// What only a log leaves contradicts that there was none.
func TestNothingIsCheckedAgainstTraces(t *testing.T) {
	keys := logtest.ThreeKeys(t)
	w := logtest.WriteKeys(t, rotation.Options{}, keys...)
	newest := w.Segments[len(w.Segments)-1]
	header := w.Lines(0)[0]
	empty := func(name string) *logtest.Copy {
		c := w.Clone()
		for _, n := range c.Segments {
			delete(c.Files, n)
		}
		delete(c.Files, sidefile.KeyChangesName)
		delete(c.Files, sidefile.CheckpointName)
		c.Files[name] = &fstest.MapFile{Data: header, Mode: 0o600}
		return c
	}
	first := w.Segments[0]
	for what, add := range map[string]func(c *logtest.Copy, o *verify.Options){
		"a signed file checkpoint": func(c *logtest.Copy, _ *verify.Options) {
			c.Files[sidefile.CheckpointName] = w.Files[sidefile.CheckpointName]
		},
		"key changes": func(c *logtest.Copy, _ *verify.Options) {
			c.Files[sidefile.KeyChangesName] = w.Files[sidefile.KeyChangesName]
		},
		"pruned ranges": func(c *logtest.Copy, _ *verify.Options) {
			c.Files[sidefile.PrunedRangesName] = &fstest.MapFile{Data: append(sidefile.AppendPrunedRange(nil, sidefile.PrunedRange{Size: 1, Subtrees: make([]merkle.Hash, 1)}), '\n'), Mode: 0o600}
		},
		"a kept checkpoint": func(_ *logtest.Copy, o *verify.Options) {
			o.Checkpoints = []verify.Kept{{Note: w.Files[sidefile.CheckpointName].Data}}
		},
		"a sealed segment": func(c *logtest.Copy, _ *verify.Options) { c.Files[newest] = &fstest.MapFile{Mode: 0o600} },
	} {
		c, o := empty(first), verify.Options{Keys: logtest.PublicKeys(keys...)}
		add(c, &o)
		r := check(t, c.Files, o)
		assert.Equal(t, verify.VerdictTampering, r.Verdict, "%s: %+v", what, r.Findings)
	}
	assert.Equal(t, verify.VerdictUnchecked, check(t, empty(first).Files, verify.Options{Keys: logtest.PublicKeys(keys...)}).Verdict)
}

// A file checkpoint that is ahead of the segments is what a copy made while a collector
// wrote has; nobody but the directory vouches for it.
func TestACopyOfALogInUse(t *testing.T) {
	o, all := logtest.Witnessed(t, rotation.Options{MaxSegmentBytes: 2000}, "witness.example/w1")
	o.Witnesses = nil
	w := logtest.Write(t, o, 1, 1, 1, 1)
	newest := len(w.Segments) - 1
	cut := func() *logtest.Copy {
		c := w.Clone()
		lines := c.Lines(newest)
		c.SetLines(newest, lines[:len(lines)-3])
		return c
	}
	r := checkCopy(t, cut())
	ahead := ofKind(r, verify.Rollback)
	require.Len(t, ahead, 1, "%+v", r.Findings)
	assert.Equal(t, verify.Unchecked, ahead[0].Severity)
	assert.Contains(t, ahead[0].Message, "copy again")
	assert.Equal(t, verify.VerdictUnchecked, r.Verdict)
	// A whole segment may be missing, too.
	c := w.Clone()
	delete(c.Files, c.Segments[newest])
	assert.Equal(t, verify.VerdictUnchecked, checkCopy(t, c).Verdict)
	// Kept elsewhere, or cosigned, it is evidence.
	c = cut()
	filed := c.Files[sidefile.CheckpointName].Data
	r = check(t, c.Files, verify.Options{Keys: trusting(w), Checkpoints: []verify.Kept{{Note: filed}}})
	assert.Equal(t, verify.VerdictTampering, r.Verdict, "%+v", r.Findings)
	c.Files[sidefile.CheckpointName].Data = append(bytes.Clone(filed), all[0].Cosign(t, filed)...)
	r = check(t, c.Files, verify.Options{Keys: trusting(w), Witnesses: logtest.WitnessKeys(all...)})
	assert.Contains(t, kinds(bad(r)), verify.Rollback)
	// So it is where anything else is wrong.
	c = cut()
	lines := c.Lines(0)
	c.SetLines(0, slices.Delete(lines, 1, 2))
	assert.Equal(t, verify.VerdictTampering, checkCopy(t, c).Verdict)
}

// So is a key change beyond the end, where the log's keys lead to it: a key for each segment
// is one in each copy that a rotation comes between.
func TestACopyWithLaterKeyChanges(t *testing.T) {
	w := logtest.WriteKeys(t, rotation.Options{}, logtest.ThreeKeys(t)...)
	for missing := 1; missing < len(w.Segments); missing++ {
		c := w.Clone()
		delete(c.Files, sidefile.CheckpointName)
		for _, name := range w.Segments[len(w.Segments)-missing:] {
			delete(c.Files, name)
		}
		// The next segment begins where the copy ends, and what comes after that is ahead.
		r := checkCopy(t, c)
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
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1, 1, 1)
	for name, change := range map[string]func(c *logtest.Copy){
		"a segment that was being compressed": func(c *logtest.Copy) { delete(c.Files, c.Segments[2]) },
		"the oldest segments, deleted":        func(c *logtest.Copy) { delete(c.Files, c.Segments[0]) },
		"a second copy to the same place, of a segment that has been compressed": func(c *logtest.Copy) {
			whole := c.Files[c.Segments[1]].Data
			c.Compress(t, c.Segments[1], compression.Zstd)
			c.Files[c.Segments[1]] = &fstest.MapFile{Data: whole[:len(whole)/2], Mode: 0o600}
		},
	} {
		c := w.Clone()
		change(c)
		found := bad(checkCopy(t, c))
		require.NotEmpty(t, found, name)
		assert.True(t, slices.ContainsFunc(found, func(f verify.Finding) bool {
			return f.Severity == verify.Tampering && strings.Contains(f.Message, "A copy made while a collector wrote looks the same")
		}), "%s: %+v", name, found)
	}
	// Nothing of the kind is said of what no copy does.
	c := w.Clone()
	c.SetLines(1, slices.Delete(c.Lines(1), 1, 2))
	for _, f := range bad(checkCopy(t, c)) {
		assert.NotContains(t, f.Message, "copy again")
	}
}

// The file checkpoint says nothing if it is empty, and is no part of the log if it is
// anything else than the log's own.
func TestTheFileCheckpoint(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 2)
	note := w.Files[sidefile.CheckpointName].Data
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
		w := w.Clone()
		w.Files[sidefile.CheckpointName].Data = c.content
		r := checkCopy(t, w)
		assert.Equal(t, c.verdict, r.Verdict, "%s: %+v", what, r.Findings)
	}
}
