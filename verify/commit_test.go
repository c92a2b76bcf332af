// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// Whichever checkpoint line is deleted, that is found: each is bound to the commit before it.
func TestEachCheckpointLineCounts(t *testing.T) {
	eachKind(t, func(t *testing.T, o rotation.Options) {
		o.MaxSegmentBytes = 3000
		whole := write(t, o, 1, 2, 1, 3, 1, 1)
		delete(whole.fsys, sidefile.CheckpointName)
		newest := len(whole.names) - 1
		for i := range whole.names {
			for n, line := range whole.lines(i) {
				if segment.KindOf(line) != segline.KindCheckpoint {
					continue
				}
				w := whole.clone()
				lines := w.lines(i)
				w.setLines(i, slices.Delete(lines, n, n+1))
				r := w.check(t)
				if i == newest && n == len(lines)-1 {
					assert.Equal(t, []verify.Kind{verify.Kind("checkpoint_missing"), verify.Kind("torn_tail")}, kinds(r.Findings), "the last one is as if it had not been written yet")
					continue
				}
				assert.True(t, r.TamperingDetected, "segment %d, line %d: %+v", i, n+1, r.Findings)
			}
		}
	})
}

// What a holder of the key writes of commits is held against the rules for them.
func TestCommitsAgainstTheRules(t *testing.T) {
	other := func(h *segment.Header) { h.Features = nil }
	ids := func(h *segment.Header) { h.Features = []string{segline.FeatureIDs} }
	for name, c := range map[string]struct {
		header func(*segment.Header)
		write  func(a *author)
		want   []verify.Kind
	}{
		"none broken":            {other, func(a *author) { a.commit(); a.commit() }, nil},
		"the first is not one":   {other, func(a *author) { a.commit(func(c *segment.Commit) { c.Number = 2 }) }, []verify.Kind{verify.CommitInvalid}},
		"a number left out":      {other, func(a *author) { a.commit(); a.commit(func(c *segment.Commit) { c.Number = 3 }) }, []verify.Kind{verify.CommitInvalid}},
		"a number repeated":      {other, func(a *author) { a.commit(); a.commit(func(c *segment.Commit) { c.Number = 1 }) }, []verify.Kind{verify.CommitInvalid}},
		"a number in the next":   {other, func(a *author) { a.commit(); a.next(nil); a.commit(func(c *segment.Commit) { c.Number = 3 }) }, []verify.Kind{verify.CommitInvalid}},
		"it goes on in the next": {other, func(a *author) { a.commit(); a.next(nil); a.commit() }, nil},
		"no commit line":         {other, func(a *author) { a.commit(); a.say(map[string]string{"action": "opened"}); a.checkpoint(1) }, []verify.Kind{verify.CommitInvalid}},
		"an event after the line": {other, func(a *author) {
			a.line(segline.AppendCommit(nil, 1, forgedAt, nil))
			a.say(map[string]string{"action": "opened"})
			a.checkpoint(1)
		}, []verify.Kind{verify.CommitInvalid, verify.CommitInvalid}},
		"two commit lines": {other, func(a *author) {
			a.line(segline.AppendCommit(nil, 1, forgedAt, nil))
			a.number = 2
			a.commit()
		}, []verify.Kind{verify.CommitInvalid}},
		"a malformed line": {other, func(a *author) { a.line([]byte(`{"commit":{}}`)); a.checkpoint(1) }, []verify.Kind{verify.CommitInvalid}},
		"ids are bound":    {ids, func(a *author) { a.say(map[string]string{"action": "opened"}); a.commit(); a.commit() }, nil},
		"ids unasked":      {other, func(a *author) { a.commit(func(c *segment.Commit) { c.IDs = &segline.IDs{} }) }, []verify.Kind{verify.CommitInvalid}},
		"ids not bound":    {ids, func(a *author) { a.commit(func(c *segment.Commit) { c.IDs = nil }) }, []verify.Kind{verify.CommitInvalid}},
		"another root of ids": {ids, func(a *author) {
			a.say(map[string]string{"action": "opened"})
			a.commit(func(c *segment.Commit) { c.IDs.Root[0] ^= 1 })
		}, []verify.Kind{verify.CommitInvalid}},
		"another number of ids": {ids, func(a *author) {
			a.say(map[string]string{"action": "opened"})
			a.commit(func(c *segment.Commit) { c.IDs.Count++ })
		}, []verify.Kind{verify.CommitInvalid}},
		"ids of the commit before": {ids, func(a *author) {
			a.say(map[string]string{"action": "opened"})
			a.commit()
			a.say(map[string]string{"action": "opened"})
			a.ids = []string{"own-1"}
			a.commit()
		}, []verify.Kind{verify.CommitInvalid}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthor(t, c.header)
			c.write(a)
			r := a.check(verify.Options{})
			assert.Equal(t, c.want, kinds(bad(r)), "%+v", r.Findings)
			assert.NotEmpty(t, r.RootHash)
		})
	}
}

// The real writer's ids are those of its events, in commits of any size.
func TestIDsOfTheWriter(t *testing.T) {
	w := write(t, rotation.Options{BindIDs: true, MaxSegmentBytes: 100_000}, 1, 700, 2, 1300)
	r := w.check(t)
	assert.Empty(t, r.Findings)
	require.Contains(t, w.header(t, 0).Features, segline.FeatureIDs)
	assert.Greater(t, len(w.names), 1)
}

// A clock that goes back, or is ahead, is told of, and is no tampering.
func TestTimesOfCommits(t *testing.T) {
	at := func(d time.Duration) time.Time { return forgedAt.Add(d) }
	for name, c := range map[string]struct {
		write func(a *author)
		want  []verify.Kind
	}{
		"they go on":        {func(a *author) { a.at = at(time.Hour); a.commit(); a.at = at(2 * time.Hour); a.commit() }, nil},
		"they stand still":  {func(a *author) { a.at = at(time.Hour); a.commit(); a.commit() }, nil},
		"one goes back":     {func(a *author) { a.at = at(time.Hour); a.commit(); a.at = at(time.Minute); a.commit() }, []verify.Kind{verify.Kind("time_went_back")}},
		"before the header": {func(a *author) { a.at = at(-time.Hour); a.commit() }, []verify.Kind{verify.Kind("time_went_back")}},
		"twice in a segment": {func(a *author) {
			for i := range 6 {
				a.at = at(time.Duration(i%2) * time.Hour)
				a.commit()
			}
		}, []verify.Kind{verify.Kind("time_went_back")}},
		"a header goes back": {func(a *author) {
			a.at = at(time.Hour)
			a.commit()
			a.next(func(h *segment.Header) { h.Created = at(time.Minute) })
			a.commit()
		}, []verify.Kind{verify.Kind("time_went_back")}},
		"five minutes ahead": {func(a *author) { a.at = at(24*time.Hour + 5*time.Minute); a.commit() }, nil},
		"more":               {func(a *author) { a.at = at(24*time.Hour + 5*time.Minute + 1); a.commit() }, []verify.Kind{verify.Kind("time_in_future")}},
		"a header ahead": {func(a *author) {
			a.at = at(time.Hour)
			a.commit()
			a.next(func(h *segment.Header) { h.Created = at(25 * time.Hour) })
			a.at = at(25 * time.Hour)
			a.commit()
		}, []verify.Kind{verify.Kind("time_in_future")}},
		"one that nobody signs": {func(a *author) {
			a.at = at(time.Hour)
			a.commit()
			a.line(segline.AppendCommit(nil, 2, at(1000*time.Hour), nil))
		}, []verify.Kind{verify.Kind("torn_tail")}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthor(t)
			c.write(a)
			r := a.check(verify.Options{Now: func() time.Time { return at(24 * time.Hour) }})
			assert.Equal(t, c.want, kinds(r.Findings), "%+v", r.Findings)
			assert.False(t, r.TamperingDetected)
			assert.Equal(t, verify.VerdictOK, r.Verdict)
		})
	}
}

// forgedTime is an event of a client that says when it happened.
func forgedTime(id string, at time.Time) []byte {
	canonical := event.AppendOwn(nil, event.Own{ID: id, Time: at, Origin: "x", Level: event.LevelInfo, Action: "x", Detail: []byte(`{}`)})
	return bytes.Replace(canonical, []byte(`"log":{},`), nil, 1)
}

// What time a client says that an event is of hides it from no range, and proves nothing
// against a key: when it was committed decides.
func TestForgedTimesOfClients(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		a := newAuthor(t, func(h *segment.Header) { h.Scope = scope })
		past, future := time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
		a.at = forgedAt.Add(time.Minute)
		for i, at := range []time.Time{past, forgedAt, future} {
			a.add(forgedTime(fmt.Sprint("id-", i), at))
		}
		a.commit()
		a.at = forgedAt.Add(time.Hour)
		a.add(forgedTime("id-3", forgedAt))
		a.commit()
		for name, c := range map[string]struct {
			since, until      time.Duration
			byEvent, byCommit uint64
		}{
			"its own time and its commit's":  {0, time.Hour, 2, 2},
			"around the first commit":        {time.Second, time.Hour, 0, 3},
			"around the second":              {time.Hour, 2 * time.Hour, 0, 1},
			"after both":                     {2 * time.Hour, 3 * time.Hour, 0, 0},
			"the event that is there by its": {-time.Hour, time.Second, 2, 0},
		} {
			r := a.check(verify.Options{Since: forgedAt.Add(c.since), Until: forgedAt.Add(c.until)})
			assert.Equal(t, []uint64{c.byEvent, c.byCommit, c.byEvent + c.byCommit, c.byEvent + c.byCommit},
				[]uint64{r.InRangeByEventTime, r.InRangeByCommitTime, r.TotalEvents, r.VerifiedEvents}, "%s, %s", scope, name)
		}
		// The key was good for as long as the log says that it was used.
		bounds := trust.Key{Public: a.signer.Public(), From: &trust.Point{Time: forgedAt}, Until: &trust.Point{Time: forgedAt.Add(2 * time.Hour)}}
		r := a.check(verify.Options{Keys: []*signing.PublicKey{}, Trust: trust.Keys{bounds}})
		assert.Empty(t, bad(r), "%s", scope)
		assert.Equal(t, r.TotalEvents, r.VerifiedEvents)
		// It was not, for the second commit.
		bounds.Until.Time = forgedAt.Add(time.Hour)
		r = a.check(verify.Options{Keys: []*signing.PublicKey{}, Trust: trust.Keys{bounds}})
		assert.Equal(t, []verify.Kind{verify.KeyNotValid}, kinds(bad(r)), "%s", scope)
		assert.Equal(t, uint64(3), r.VerifiedEvents)
		assert.Equal(t, []string{"id-3"}, r.FailedEventIDs)
	}
}

// A range counts nothing twice, and hides no finding.
func TestARangeHidesNoFinding(t *testing.T) {
	w := write(t, rotation.Options{MaxSegmentBytes: 3000}, 3, 3, 3)
	lines := w.lines(0)
	n := w.line(t, 0, "id-001") - 1
	lines[n] = bytes.Replace(lines[n], []byte("user-"), []byte("User-"), 1)
	w.setLines(0, lines)
	whole := w.check(t)
	for minute := range 9 {
		from := forgedAt.Add(time.Duration(minute) * time.Minute)
		r := check(t, w.fsys, verify.Options{Keys: trusting(w), Since: from})
		before := check(t, w.fsys, verify.Options{Keys: trusting(w), Until: from})
		assert.Equal(t, whole.Findings, r.Findings)
		assert.Equal(t, r.TotalEvents, r.VerifiedEvents+r.FailedEvents)
		assert.GreaterOrEqual(t, r.TotalEvents+before.TotalEvents, whole.TotalEvents)
	}
}

// A segment's events are signed for the log that they are in: another log's cannot be put
// there, though key and origin are the same.
func TestEventsOfAnotherLog(t *testing.T) {
	signer := signingtest.New(t, signing.ECDSAP256)
	a, b := write(t, rotation.Options{Signer: signer}, 2), write(t, rotation.Options{Signer: signer}, 2)
	line := a.lines(0)[a.line(t, 0, "id-001")-1]
	b.extend(t, line)
	assert.Contains(t, kinds(bad(b.check(t))), verify.EventSignatureInvalid)
	// Nor can a whole segment.
	c := write(t, rotation.Options{Signer: signer, MaxSegmentBytes: 1}, 1, 1)
	d := write(t, rotation.Options{Signer: signer, MaxSegmentBytes: 1}, 1, 1)
	require.Equal(t, c.names, d.names)
	c.fsys[c.names[1]] = d.fsys[d.names[1]]
	delete(c.fsys, sidefile.CheckpointName)
	assert.Contains(t, kinds(bad(c.check(t))), verify.HeaderInvalid)
}

// A change in one commit is no finding about the numbers of the others.
func TestNumbersOfCommitsNextToAChange(t *testing.T) {
	for name, commit := range map[string]int{"the first commit": 0, "the second": 1} {
		t.Run(name, func(t *testing.T) {
			a := newAuthor(t)
			var swapped int
			for i := range 4 {
				if i == commit {
					swapped = bytes.Count(a.text, []byte("\n"))
				}
				a.say(map[string]any{"action": "opened", "size": i})
				a.say(map[string]any{"action": "resumed", "size": i})
				a.commit()
			}
			lines := bytes.SplitAfter(a.text, []byte("\n"))
			lines[swapped], lines[swapped+1] = lines[swapped+1], lines[swapped]
			a.text = bytes.Join(lines, nil)
			a.next(nil)
			a.commit()
			r := a.check(verify.Options{})
			assert.Equal(t, []verify.Kind{verify.LinesSwapped}, kinds(bad(r)), "%+v", r.Findings)
		})
	}
}
