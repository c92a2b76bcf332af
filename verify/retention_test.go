// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// prunedBefore is what a log says when retention deletes what is before a segment.
func prunedBefore(t testing.TB, h *segment.Header) []byte {
	t.Helper()
	tree, err := merkle.NewFrontier(h.FirstIndex, h.Frontier)
	require.NoError(t, err)
	root := tree.Root()
	return fmt.Appendf(nil, `{"action":"pruned","before":%d,"root_hash":"%s"}`, h.FirstIndex, base64Of(root[:]))
}

// pruned says that retention deletes what is before the newest segment.
func sayPruned(a *logtest.Forger) {
	a.T.Helper()
	a.Say(json.RawMessage(prunedBefore(a.T, &a.Head)))
	a.Commit()
}

// prune says that retention deletes what is before the i-th segment.
func prune(t testing.TB, w *logtest.Copy, i int) {
	t.Helper()
	h := w.Header(t, i)
	w.Extend(t, append(w.SignedLine(t, logtest.OwnEvent("pruned", string(prunedBefore(t, &h))), w.Signer), '\n'))
}

// remove deletes the first so many segments.
func remove(a *logtest.Forger, n int) {
	for _, name := range namesIn(a)[:n] {
		delete(a.Others, name)
	}
}

func namesIn(a *logtest.Forger) (names []string) {
	for name := range a.Others {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// keep has the headers of a log promise to keep what is before them for a day.
func keep(h *segment.Header) {
	h.MinAge, h.Retain = 24*time.Hour, h.Created
	if h.FirstIndex > 0 {
		h.Retain = h.Created.Add(24 * time.Hour)
	}
}

func at(d time.Duration) func() time.Time { return func() time.Time { return logtest.ForgedAt.Add(d) } }

// Retention deletes from the beginning on, so that a hole is tampering whatever the log says.
func TestAHoleIsNoRetention(t *testing.T) {
	whole := logtest.Write(t, rotation.Options{MaxSegmentBytes: 1}, slices.Repeat([]int{1}, 6)...)
	last := len(whole.Segments) - 1
	for first := range last {
		for end := first + 1; end < last; end++ {
			w := whole.Clone()
			for _, name := range w.Segments[first:end] {
				delete(w.Files, name)
			}
			w.Segments = slices.Delete(w.Segments, first, end)
			prune(t, w, len(w.Segments)-1)
			delete(w.Files, sidefile.CheckpointName)
			r := checkCopy(t, w)
			if first == 0 {
				assert.Empty(t, bad(r), "%d to %d", first, end)
				assert.Equal(t, logtest.FirstIndex(t, whole, end), r.PrunedBefore)
				continue
			}
			assert.Equal(t, []verify.Kind{verify.SegmentMissing}, kinds(bad(r)), "%d to %d", first, end)
			assert.Zero(t, r.PrunedBefore)
		}
	}
	// An old first segment put back leaves a hole, too.
	w := whole.Clone()
	for _, name := range w.Segments[1:4] {
		delete(w.Files, name)
	}
	w.Segments = slices.Delete(w.Segments, 1, 4)
	prune(t, w, 1)
	delete(w.Files, sidefile.CheckpointName)
	assert.Equal(t, []verify.Kind{verify.SegmentMissing}, kinds(bad(checkCopy(t, w))))
}

// What the log promised to keep it may not delete before, whoever has its key by then.
func TestAPromiseIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		// write writes the log; what is deleted are the segments but the newest.
		write func(t *testing.T, a *logtest.Forger)
		// forget are what an intruder takes away.
		forget func(a *logtest.Forger, fsys fstest.MapFS)
	}{
		"of a header": {func(t *testing.T, a *logtest.Forger) { a.Commit(); a.Next(keep); a.Commit() }, nil},
		"of a note": {func(t *testing.T, a *logtest.Forger) {
			a.Commit()
			thief := signingtest.New(t, signing.Ed25519)
			a.Next(func(h *segment.Header) { keep(h); h.Keys[0] = segline.KeyOf(thief.Public()) })
			a.Introduce(thief)
			a.Commit()
		}, nil},
		"of a note in the file alone": {func(t *testing.T, a *logtest.Forger) {
			a.Commit()
			second := signingtest.New(t, signing.Ed25519)
			a.Next(func(h *segment.Header) { keep(h); h.Keys[0] = segline.KeyOf(second.Public()) })
			a.Introduce(second)
			a.Commit()
			// Whoever has its key goes on as if nothing had been promised.
			a.Next(func(h *segment.Header) { h.MinAge, h.Retain = 0, h.Created })
			a.Commit()
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := logtest.NewForger(t, keep)
			given := logtest.PublicKeys(a.Signer)
			c.write(t, a)
			sayPruned(a)
			remove(a, len(a.Others))
			fsys := a.Dir()
			if c.forget != nil {
				c.forget(a, fsys)
			}
			for d, want := range map[time.Duration]bool{0: true, 23*time.Hour + 59*time.Minute: true, 24 * time.Hour: false, 1000 * time.Hour: false} {
				r := check(t, fsys, verify.Options{Keys: given, Now: at(d)})
				assert.Equal(t, want, slices.Contains(kinds(bad(r)), verify.RetentionBroken), "after %s: %+v", d, r.Findings)
				if !want {
					assert.Empty(t, bad(r))
					assert.Equal(t, a.Head.FirstIndex, r.PrunedBefore)
				}
			}
		})
	}
}

// A header does not promise less than the one before, while both are there.
func TestAPromiseIsNotTakenBack(t *testing.T) {
	for name, c := range map[string]struct {
		next func(h *segment.Header)
		want []verify.Kind
	}{
		"as it should be":     {keep, nil},
		"longer":              {func(h *segment.Header) { keep(h); h.Retain = h.Retain.Add(time.Hour) }, nil},
		"less than the first": {func(h *segment.Header) { h.MinAge, h.Retain = 0, logtest.ForgedAt.Add(-time.Hour) }, []verify.Kind{verify.RetentionBroken}},
		"not for its segment": {func(h *segment.Header) { h.MinAge, h.Retain = 0, logtest.ForgedAt.Add(time.Hour) }, []verify.Kind{verify.RetentionBroken}},
		"for ever":            {func(h *segment.Header) { h.Retain = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }, nil},
	} {
		a := logtest.NewForger(t, keep)
		a.Commit()
		a.Next(c.next)
		a.Commit()
		r := checkForged(a, verify.Options{Now: at(0)})
		assert.Equal(t, c.want, kinds(bad(r)), "%s: %+v", name, r.Findings)
	}
}

// Of what has been deleted, the key changes are still there; that one is missing is found.
func TestAKeyChangeOfDeletedSegmentsIsMissing(t *testing.T) {
	a := logtest.NewForger(t)
	keys := []*signing.Signer{a.Signer}
	a.Commit()
	for range 4 {
		keys = append(keys, signingtest.New(t, signing.Ed25519))
		a.ChangeKey(keys[len(keys)-1])
		a.Commit()
	}
	a.Next(nil)
	sayPruned(a)
	remove(a, 5)
	lines := bytes.SplitAfter(a.KeyChanges, []byte("\n"))[:4]
	for _, given := range []*signing.Signer{keys[0], keys[4]} {
		require.Empty(t, bad(checkForged(a, verify.Options{Keys: logtest.PublicKeys(given)})))
		for i := range lines {
			if i == 0 {
				continue // that no key came before it, nothing shows
			}
			fsys := a.Dir()
			fsys[sidefile.KeyChangesName].Data = bytes.Join(slices.Delete(slices.Clone(lines), i, i+1), nil)
			r := check(t, fsys, verify.Options{Keys: logtest.PublicKeys(given)})
			assert.Contains(t, kinds(bad(r)), verify.KeyChangeInvalid, "without line %d: %+v", i+1, r.Findings)
		}
	}
	for what, order := range map[string][]int{"swapped": {0, 2, 1, 3}, "backwards": {3, 2, 1, 0}, "one twice": {0, 1, 1, 2, 3}} {
		fsys := a.Dir()
		var mixed []byte
		for _, i := range order {
			mixed = append(mixed, lines[i]...)
		}
		fsys[sidefile.KeyChangesName].Data = mixed
		assert.Contains(t, kinds(bad(check(t, fsys, verify.Options{Keys: logtest.PublicKeys(keys[0], keys[4])}))), verify.KeyChangeInvalid, what)
	}
}

// Without the file, nothing leads from the keys of deleted segments to those that are there:
// whoever trusts the first key is told that it is not the log's, and nobody is accused.
func TestKeyChangesThatAreGone(t *testing.T) {
	a := logtest.NewForger(t)
	first := a.Signer
	a.Commit()
	a.ChangeKey(signingtest.New(t, signing.Ed25519))
	a.Commit()
	a.Next(nil)
	sayPruned(a)
	remove(a, 2)
	fsys := a.Dir()
	require.Equal(t, verify.VerdictOK, check(t, fsys, verify.Options{Keys: logtest.PublicKeys(first)}).Verdict)
	delete(fsys, sidefile.KeyChangesName)
	_, err := verify.Log(t.Context(), fsys, verify.Options{Keys: logtest.PublicKeys(first)})
	assert.ErrorIs(t, err, verify.ErrWrongKey)
	assert.Equal(t, verify.VerdictOK, check(t, fsys, verify.Options{Keys: logtest.PublicKeys(a.Signer)}).Verdict)
}

// Whoever asks for the log from an index on hears of it if that is not there. For a time the
// log's own word is not enough, nor is it an accusation.
func TestCompleteFrom(t *testing.T) {
	a := logtest.NewForger(t)
	a.Commit()
	a.At = logtest.ForgedAt.Add(time.Hour)
	a.Next(func(h *segment.Header) { h.Created = a.At })
	a.Commit()
	base := a.Head.FirstIndex
	index := func(i uint64) *trust.Point { return &trust.Point{Index: i, ByIndex: true} }
	since := func(d time.Duration) *trust.Point { return &trust.Point{Time: logtest.ForgedAt.Add(d)} }
	points := []*trust.Point{index(0), index(base - 1), index(base), index(base + 1), since(0), since(time.Hour - 1), since(time.Hour), since(2 * time.Hour)}
	for _, p := range points {
		assert.Empty(t, checkForged(a, verify.Options{CompleteFrom: p}).Findings, "%s", p)
	}
	sayPruned(a)
	remove(a, 1)
	for i, want := range []string{verify.VerdictTampering, verify.VerdictTampering, verify.VerdictOK, verify.VerdictOK,
		verify.VerdictUnchecked, verify.VerdictUnchecked, verify.VerdictUnchecked, verify.VerdictUnchecked} {
		r := checkForged(a, verify.Options{CompleteFrom: points[i]})
		assert.Equal(t, want, r.Verdict, "%s: %+v", points[i], r.Findings)
		if want != verify.VerdictOK {
			assert.Equal(t, []verify.Kind{verify.Incomplete}, kinds(amiss(r)), "%s", points[i])
		}
	}
}

// That deleted leaves are from before a time is shown by enough witnesses that had cosigned a
// tree with all of them by then, and by nothing that the log's key alone can sign.
func TestCompleteFromATime(t *testing.T) {
	from := logtest.ForgedAt.Add(3 * time.Hour)
	early, late := witnesstest.New(t, "w1"), witnesstest.New(t, "w2")
	a := logtest.NewForger(t)
	small, _ := a.Commit()
	a.At = logtest.ForgedAt.Add(time.Hour)
	a.Commit()
	a.Next(func(h *segment.Header) { h.Created = a.At })
	note, mark := a.Commit()
	a.Say(claims(a, note, mark, early.CosignAt(t, note, from.Add(-time.Second))+late.CosignAt(t, note, from)))
	newer, _ := a.Commit()
	sayPruned(a)
	remove(a, 1)
	both := logtest.WitnessKeys(early, late)
	for name, c := range map[string]struct {
		o    verify.Options
		want string
	}{
		"the log's word":                        {verify.Options{}, verify.VerdictUnchecked},
		"a kept checkpoint":                     {verify.Options{Checkpoints: []verify.Kept{{Note: newer}}}, verify.VerdictUnchecked},
		"a cosignature that nobody trusts":      {verify.Options{Witnesses: logtest.WitnessKeys(late)}, verify.VerdictUnchecked},
		"a witness, a second before":            {verify.Options{Witnesses: logtest.WitnessKeys(early)}, verify.VerdictOK},
		"two, of which one came too late":       {verify.Options{Witnesses: both}, verify.VerdictUnchecked},
		"one of two, if one is enough":          {verify.Options{Witnesses: both, Quorum: 1}, verify.VerdictOK},
		"a witness that was revoked before":     {verify.Options{Witnesses: logtest.WitnessKeys(early), Trust: trust.Keys{{Witness: early.Key, Revoked: logtest.AtLeaf(0)}}}, verify.VerdictUnchecked},
		"both, one on a checkpoint kept of all": {verify.Options{Witnesses: both, Checkpoints: []verify.Kept{{Note: []byte(string(newer) + late.CosignAt(t, newer, from.Add(-time.Minute)))}}}, verify.VerdictOK},
		"both, one on a tree that lacks some":   {verify.Options{Witnesses: both, Checkpoints: []verify.Kept{{Note: []byte(string(small) + late.CosignAt(t, small, from.Add(-time.Minute)))}}}, verify.VerdictUnchecked},
		"a later one of the same witness":       {verify.Options{Witnesses: logtest.WitnessKeys(early), Checkpoints: []verify.Kept{{Note: []byte(string(newer) + early.CosignAt(t, newer, from.Add(time.Hour)))}}}, verify.VerdictOK},
		"a time that cannot be":                 {verify.Options{Witnesses: logtest.WitnessKeys(late), Checkpoints: []verify.Kept{{Note: []byte(string(newer) + late.CosignAt(t, newer, logtest.ForgedAt.Add(-1000*time.Hour)))}}}, verify.VerdictUnchecked},
	} {
		c.o.CompleteFrom = &trust.Point{Time: from}
		c.o.Now = at(1000 * time.Hour)
		r := checkForged(a, c.o)
		assert.Equal(t, c.want, r.Verdict, "%s: %+v", name, r.Findings)
		assert.Equal(t, c.want == verify.VerdictUnchecked, slices.Contains(kinds(amiss(r)), verify.Incomplete), "%s: %+v", name, r.Findings)
	}
}

// A receipt that the log honors shows what the log has deleted, by the log's own time.
func TestAReceiptShowsWhatIsIncomplete(t *testing.T) {
	_, w, receipts := logtest.WithReceipts(t, 5, 3, 4, 6, 7)
	last := len(w.Segments) - 1
	base := logtest.FirstIndex(t, w, last)
	var deleted time.Time // the time of the last commit that is deleted
	for _, line := range w.Lines(last - 1) {
		if segment.KindOf(line) == segline.KindCommit {
			c, err := segment.ParseCommit(bytes.TrimSuffix(line, []byte("\n")))
			require.NoError(t, err)
			deleted = c.Time
		}
	}
	for _, name := range w.Segments[:last] {
		delete(w.Files, name)
	}
	w.Segments = w.Segments[last:]
	prune(t, w, 0)
	delete(w.Files, sidefile.CheckpointName)
	for name, c := range map[string]struct {
		from time.Time
		text []byte
		want verify.Severity
	}{
		"from then":           {deleted, receipts, verify.Tampering},
		"from before":         {deleted.Add(-time.Hour), receipts, verify.Tampering},
		"from later":          {deleted.Add(time.Hour), receipts, verify.Unchecked},
		"without the receipt": {deleted, nil, verify.Unchecked},
	} {
		o := verify.Options{Keys: logtest.PublicKeys(w.Signer), CompleteFrom: &trust.Point{Time: c.from}}
		if c.text != nil {
			o.Receipts = logtest.ReadReceipts(t, c.text)
		}
		found := ofKind(check(t, w.Files, o), verify.Incomplete)
		require.Len(t, found, 1, name)
		assert.Equal(t, c.want, found[0].Severity, "%s: %s", name, found[0].Message)
		assert.Equal(t, base, *found[0].Index, name)
	}
}
