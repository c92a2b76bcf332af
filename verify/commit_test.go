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
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
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
		whole := logtest.Write(t, o, 1, 2, 1, 3, 1, 1)
		delete(whole.Files, sidefile.CheckpointName)
		newest := len(whole.Segments) - 1
		for i := range whole.Segments {
			for n, line := range whole.Lines(i) {
				if segment.KindOf(line) != segline.KindCheckpoint {
					continue
				}
				w := whole.Clone()
				lines := w.Lines(i)
				w.SetLines(i, slices.Delete(lines, n, n+1))
				r := checkCopy(t, w)
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
		write  func(a *logtest.Forger)
		want   []verify.Kind
	}{
		"none broken":            {other, func(a *logtest.Forger) { a.Commit(); a.Commit() }, nil},
		"the first is not one":   {other, func(a *logtest.Forger) { a.Commit(func(c *segment.Commit) { c.Number = 2 }) }, []verify.Kind{verify.CommitInvalid}},
		"a number left out":      {other, func(a *logtest.Forger) { a.Commit(); a.Commit(func(c *segment.Commit) { c.Number = 3 }) }, []verify.Kind{verify.CommitInvalid}},
		"a number repeated":      {other, func(a *logtest.Forger) { a.Commit(); a.Commit(func(c *segment.Commit) { c.Number = 1 }) }, []verify.Kind{verify.CommitInvalid}},
		"a number in the next":   {other, func(a *logtest.Forger) { a.Commit(); a.Next(nil); a.Commit(func(c *segment.Commit) { c.Number = 3 }) }, []verify.Kind{verify.CommitInvalid}},
		"it goes on in the next": {other, func(a *logtest.Forger) { a.Commit(); a.Next(nil); a.Commit() }, nil},
		"no commit line":         {other, func(a *logtest.Forger) { a.Commit(); a.Say(map[string]string{"action": "opened"}); a.Checkpoint(1) }, []verify.Kind{verify.CommitInvalid}},
		"an event after the line": {other, func(a *logtest.Forger) {
			a.Line(segline.AppendCommit(nil, 1, logtest.ForgedAt, nil))
			a.Say(map[string]string{"action": "opened"})
			a.Checkpoint(1)
		}, []verify.Kind{verify.CommitInvalid, verify.CommitInvalid}},
		"two commit lines": {other, func(a *logtest.Forger) {
			a.Line(segline.AppendCommit(nil, 1, logtest.ForgedAt, nil))
			a.Number = 2
			a.Commit()
		}, []verify.Kind{verify.CommitInvalid}},
		"a malformed line": {other, func(a *logtest.Forger) { a.Line([]byte(`{"commit":{}}`)); a.Checkpoint(1) }, []verify.Kind{verify.CommitInvalid}},
		"ids are bound":    {ids, func(a *logtest.Forger) { a.Say(map[string]string{"action": "opened"}); a.Commit(); a.Commit() }, nil},
		"ids unasked":      {other, func(a *logtest.Forger) { a.Commit(func(c *segment.Commit) { c.IDs = &segline.IDs{} }) }, []verify.Kind{verify.CommitInvalid}},
		"ids not bound":    {ids, func(a *logtest.Forger) { a.Commit(func(c *segment.Commit) { c.IDs = nil }) }, []verify.Kind{verify.CommitInvalid}},
		"another root of ids": {ids, func(a *logtest.Forger) {
			a.Say(map[string]string{"action": "opened"})
			a.Commit(func(c *segment.Commit) { c.IDs.Root[0] ^= 1 })
		}, []verify.Kind{verify.CommitInvalid}},
		"another number of ids": {ids, func(a *logtest.Forger) {
			a.Say(map[string]string{"action": "opened"})
			a.Commit(func(c *segment.Commit) { c.IDs.Count++ })
		}, []verify.Kind{verify.CommitInvalid}},
		"ids of the commit before": {ids, func(a *logtest.Forger) {
			a.Say(map[string]string{"action": "opened"})
			a.Commit()
			a.Say(map[string]string{"action": "opened"})
			a.IDs = []string{"own-1"}
			a.Commit()
		}, []verify.Kind{verify.CommitInvalid}},
	} {
		t.Run(name, func(t *testing.T) {
			a := logtest.NewForger(t, c.header)
			c.write(a)
			r := checkForged(a, verify.Options{})
			assert.Equal(t, c.want, kinds(bad(r)), "%+v", r.Findings)
			assert.NotEmpty(t, r.RootHash)
		})
	}
}

// The real writer's ids are those of its events, in commits of any size.
func TestIDsOfTheWriter(t *testing.T) {
	w := logtest.Write(t, rotation.Options{BindIDs: true, MaxSegmentBytes: 100_000}, 1, 700, 2, 1300)
	r := checkCopy(t, w)
	assert.Empty(t, r.Findings)
	require.Contains(t, w.Header(t, 0).Features, segline.FeatureIDs)
	assert.Greater(t, len(w.Segments), 1)
}

// A clock that goes back, or is ahead, is told of, and is no tampering.
func TestTimesOfCommits(t *testing.T) {
	at := func(d time.Duration) time.Time { return logtest.ForgedAt.Add(d) }
	for name, c := range map[string]struct {
		write func(a *logtest.Forger)
		want  []verify.Kind
	}{
		"they go on":        {func(a *logtest.Forger) { a.At = at(time.Hour); a.Commit(); a.At = at(2 * time.Hour); a.Commit() }, nil},
		"they stand still":  {func(a *logtest.Forger) { a.At = at(time.Hour); a.Commit(); a.Commit() }, nil},
		"one goes back":     {func(a *logtest.Forger) { a.At = at(time.Hour); a.Commit(); a.At = at(time.Minute); a.Commit() }, []verify.Kind{verify.Kind("time_went_back")}},
		"before the header": {func(a *logtest.Forger) { a.At = at(-time.Hour); a.Commit() }, []verify.Kind{verify.Kind("time_went_back")}},
		"twice in a segment": {func(a *logtest.Forger) {
			for i := range 6 {
				a.At = at(time.Duration(i%2) * time.Hour)
				a.Commit()
			}
		}, []verify.Kind{verify.Kind("time_went_back")}},
		"a header goes back": {func(a *logtest.Forger) {
			a.At = at(time.Hour)
			a.Commit()
			a.Next(func(h *segment.Header) { h.Created = at(time.Minute) })
			a.Commit()
		}, []verify.Kind{verify.Kind("time_went_back")}},
		"five minutes ahead": {func(a *logtest.Forger) { a.At = at(24*time.Hour + 5*time.Minute); a.Commit() }, nil},
		"more":               {func(a *logtest.Forger) { a.At = at(24*time.Hour + 5*time.Minute + 1); a.Commit() }, []verify.Kind{verify.Kind("time_in_future")}},
		"a header ahead": {func(a *logtest.Forger) {
			a.At = at(time.Hour)
			a.Commit()
			a.Next(func(h *segment.Header) { h.Created = at(25 * time.Hour) })
			a.At = at(25 * time.Hour)
			a.Commit()
		}, []verify.Kind{verify.Kind("time_in_future")}},
		"one that nobody signs": {func(a *logtest.Forger) {
			a.At = at(time.Hour)
			a.Commit()
			a.Line(segline.AppendCommit(nil, 2, at(1000*time.Hour), nil))
		}, []verify.Kind{verify.Kind("torn_tail")}},
	} {
		t.Run(name, func(t *testing.T) {
			a := logtest.NewForger(t)
			c.write(a)
			r := checkForged(a, verify.Options{Now: func() time.Time { return at(24 * time.Hour) }})
			assert.Equal(t, c.want, kinds(r.Findings), "%+v", r.Findings)
			assert.False(t, r.TamperingDetected)
			assert.Equal(t, verify.VerdictOK, r.Verdict)
		})
	}
}

// forgedTime is an event of a client that says when it happened.
func forgedTime(id string, at time.Time) []byte {
	canonical := ownevent.AppendOwn(nil, ownevent.Own{ID: id, Time: at, Origin: "x", Level: event.LevelInfo, Action: "x", Detail: []byte(`{}`)})
	return bytes.Replace(canonical, []byte(`"log":{},`), nil, 1)
}

// What time a client says that an event is of hides it from no range, and proves nothing
// against a key: when it was committed decides.
func TestForgedTimesOfClients(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		a := logtest.NewForger(t, func(h *segment.Header) { h.Scope = scope })
		past, future := time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
		a.At = logtest.ForgedAt.Add(time.Minute)
		for i, at := range []time.Time{past, logtest.ForgedAt, future} {
			a.Add(forgedTime(fmt.Sprint("id-", i), at))
		}
		a.Commit()
		a.At = logtest.ForgedAt.Add(time.Hour)
		a.Add(forgedTime("id-3", logtest.ForgedAt))
		a.Commit()
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
			r := checkForged(a, verify.Options{Since: logtest.ForgedAt.Add(c.since), Until: logtest.ForgedAt.Add(c.until)})
			assert.Equal(t, []uint64{c.byEvent, c.byCommit, c.byEvent + c.byCommit, c.byEvent + c.byCommit},
				[]uint64{r.InRangeByEventTime, r.InRangeByCommitTime, r.TotalEvents, r.VerifiedEvents}, "%s, %s", scope, name)
		}
		// The key was good for as long as the log says that it was used.
		bounds := trust.Key{Public: a.Signer.Public(), From: &trust.Point{Time: logtest.ForgedAt}, Until: &trust.Point{Time: logtest.ForgedAt.Add(2 * time.Hour)}}
		r := checkForged(a, verify.Options{Keys: []*signing.PublicKey{}, Trust: trust.Keys{bounds}})
		assert.Empty(t, bad(r), "%s", scope)
		assert.Equal(t, r.TotalEvents, r.VerifiedEvents)
		// It was not, for the second commit.
		bounds.Until.Time = logtest.ForgedAt.Add(time.Hour)
		r = checkForged(a, verify.Options{Keys: []*signing.PublicKey{}, Trust: trust.Keys{bounds}})
		assert.Equal(t, []verify.Kind{verify.KeyNotValid}, kinds(bad(r)), "%s", scope)
		assert.Equal(t, uint64(3), r.VerifiedEvents)
		assert.Equal(t, []string{"id-3"}, r.FailedEventIDs)
	}
}

// A range counts nothing twice, and hides no finding.
func TestARangeHidesNoFinding(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 3000}, 3, 3, 3)
	lines := w.Lines(0)
	n := w.LineOf(t, 0, "id-001") - 1
	lines[n] = bytes.Replace(lines[n], []byte("user-"), []byte("User-"), 1)
	w.SetLines(0, lines)
	whole := checkCopy(t, w)
	for minute := range 9 {
		from := logtest.ForgedAt.Add(time.Duration(minute) * time.Minute)
		r := check(t, w.Files, verify.Options{Keys: trusting(w), Since: from})
		before := check(t, w.Files, verify.Options{Keys: trusting(w), Until: from})
		assert.Equal(t, whole.Findings, r.Findings)
		assert.Equal(t, r.TotalEvents, r.VerifiedEvents+r.FailedEvents)
		assert.GreaterOrEqual(t, r.TotalEvents+before.TotalEvents, whole.TotalEvents)
	}
}

// A segment's events are signed for the log that they are in: another log's cannot be put
// there, though key and origin are the same.
func TestEventsOfAnotherLog(t *testing.T) {
	signer := signingtest.New(t, signing.ECDSAP256)
	a, b := logtest.Write(t, rotation.Options{Signer: signer}, 2), logtest.Write(t, rotation.Options{Signer: signer}, 2)
	line := a.Lines(0)[a.LineOf(t, 0, "id-001")-1]
	b.Extend(t, line)
	assert.Contains(t, kinds(bad(checkCopy(t, b))), verify.EventSignatureInvalid)
	// Nor can a whole segment.
	c := logtest.Write(t, rotation.Options{Signer: signer, MaxSegmentBytes: 1}, 1, 1)
	d := logtest.Write(t, rotation.Options{Signer: signer, MaxSegmentBytes: 1}, 1, 1)
	require.Equal(t, c.Segments, d.Segments)
	c.Files[c.Segments[1]] = d.Files[d.Segments[1]]
	delete(c.Files, sidefile.CheckpointName)
	assert.Contains(t, kinds(bad(checkCopy(t, c))), verify.HeaderInvalid)
}

// A change in one commit is no finding about the numbers of the others.
func TestNumbersOfCommitsNextToAChange(t *testing.T) {
	for name, commit := range map[string]int{"the first commit": 0, "the second": 1} {
		t.Run(name, func(t *testing.T) {
			a := logtest.NewForger(t)
			var swapped int
			for i := range 4 {
				if i == commit {
					swapped = bytes.Count(a.Text, []byte("\n"))
				}
				a.Say(map[string]any{"action": "opened", "size": i})
				a.Say(map[string]any{"action": "resumed", "size": i})
				a.Commit()
			}
			lines := bytes.SplitAfter(a.Text, []byte("\n"))
			lines[swapped], lines[swapped+1] = lines[swapped+1], lines[swapped]
			a.Text = bytes.Join(lines, nil)
			a.Next(nil)
			a.Commit()
			r := checkForged(a, verify.Options{})
			assert.Equal(t, []verify.Kind{verify.LinesSwapped}, kinds(bad(r)), "%+v", r.Findings)
		})
	}
}
