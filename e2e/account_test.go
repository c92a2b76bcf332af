// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/verify"
)

// account is what clients know of the batches they sent. It is safe for concurrent
// use.
type account struct {
	mu      sync.Mutex
	batches []*sentBatch            // in the order of their first answers
	byID    map[string]*sentBatch   // by the first record's id
	clients map[string][]*sentBatch // by client, in the order sent
	newest  *sentBatch              // that was acknowledged
}

type sentBatch struct {
	ids   []string
	times [3]int // by outcome: how often the batch had it
}

func newAccount() *account {
	return &account{byID: map[string]*sentBatch{}, clients: map[string][]*sentBatch{}}
}

func (a *account) note(client string, ids []string, o outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.byID[ids[0]]
	if b == nil {
		b = &sentBatch{ids: ids}
		a.byID[ids[0]] = b
		a.batches = append(a.batches, b)
		a.clients[client] = append(a.clients[client], b)
	}
	b.times[o]++
	if o == acknowledged {
		a.newest = b
	}
}

// count returns how often batches had an outcome.
func (a *account) count(o outcome) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.batches {
		n += b.times[o]
	}
	return n
}

// found is what a check of a log against an account saw.
type found struct {
	report  *verify.Report
	actions []string // what the log says of itself
	own     []shown
	events  int // of clients
}

// has reports whether the log says that of itself, for that reason if one is given.
func (f *found) has(action, reason string) bool {
	for _, e := range f.own {
		if e.Log["action"] == action && (reason == "" || e.Log["reason"] == reason) {
			return true
		}
	}
	return false
}

// check verifies a log and compares it with what clients were told: each batch is
// there whole, once for each time it was acknowledged; not at all if it was refused;
// and at most once for each time it was sent without an answer. What retention has
// deleted is excused, but it deletes the oldest first: of each client the newest
// batches must be there, and so must be the newest of all.
func (a *account) check(t *testing.T, s *site) *found {
	t.Helper()
	code, report := runVerify(t, s.log, "--key", s.public)
	require.Zero(t, code, "%+v", report)
	require.Equal(t, report.TotalEvents, report.VerifiedEvents)
	return a.compare(t, s, report)
}

// compare is check without the verdict.
func (a *account) compare(t *testing.T, s *site, report *verify.Report) *found {
	t.Helper()
	f := &found{report: report}
	times := map[string]int{}
	events := show(t, s.log)
	// What no checkpoint covers is shown, too, and does not count.
	events = events[:min(len(events), int(report.TotalEvents))]
	for _, e := range events {
		if e.Log == nil {
			times[e.EventID]++
			f.events++
			continue
		}
		f.own = append(f.own, e)
		f.actions = append(f.actions, e.Log["action"].(string))
	}
	pruned := len(report.Segments) > 0 && report.Segments[0].FirstIndex > 0
	a.mu.Lock()
	defer a.mu.Unlock()
	known := 0
	for client, batches := range a.clients {
		begun := !pruned // from here on nothing is excused
		for _, b := range batches {
			n := times[b.ids[0]]
			for _, id := range b.ids {
				require.Equal(t, n, times[id], "%s and %s came in one batch", b.ids[0], id)
				known += times[id]
			}
			begun = begun || n > 0 || b == a.newest
			if begun {
				require.GreaterOrEqual(t, n, b.times[acknowledged], "%s of %s was acknowledged", b.ids[0], client)
			}
			require.LessOrEqual(t, n, b.times[acknowledged]+b.times[unanswered], "%s of %s was not acknowledged so often", b.ids[0], client)
		}
	}
	require.Equal(t, f.events, known, "nobody else sent anything")
	return f
}
