// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"cmp"
	"context"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/keyhistory"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// maxPasses bounds how often a log is looked at again because the writer changed
// what it consists of.
const maxPasses = 5

// Log checks the log in the root of fsys. Whatever is wrong with the log itself is
// a finding; the error says that it could not be checked. The same log and options
// give the same report.
//
// The log may be in use: what it holds at the start is checked, and segments that
// are compressed or pruned meanwhile are found again.
func Log(ctx context.Context, fsys fs.FS, o Options) (*Report, error) {
	if o.Jobs <= 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	if o.MaxFindings <= 0 {
		o.MaxFindings = 1000
	}
	o.Checkpoints = slices.Clone(o.Checkpoints)
	for i := range o.Checkpoints {
		o.Checkpoints[i].Name = cmp.Or(o.Checkpoints[i].Name, strconv.Itoa(i+1))
	}
	var err error
	if o.Quorum, err = signers.Quorum(o.Witnesses, o.Quorum); err != nil {
		return nil, err
	}
	if err := o.trusted().Check(); err != nil {
		return nil, err
	}
	c := &checker{fsys: fsys, o: o, now: time.Now(), checkedFiles: map[fileState]*result{}}
	if o.Now != nil {
		c.now = o.Now()
	}
	if err := c.addCallersCheckpoints(); err != nil {
		return nil, err
	}
	if err := c.addCheckpointOnDisk(); err != nil {
		return nil, err
	}
	if c.history, err = keyhistory.Read(ctx, fsys); err != nil {
		return nil, err
	}
	listing, err := segment.List(fsys)
	if err != nil {
		return nil, err
	}
	for pass := 1; ; pass++ {
		report, settled, err := c.pass(ctx, listing)
		if err != nil || settled {
			return report, err
		}
		again, err := segment.List(fsys)
		if err != nil {
			return nil, err
		}
		if report != nil && slices.Equal(listing.Segments, again.Segments) {
			return report, nil // what it lacks has gone, and is not only being replaced
		}
		if pass == maxPasses {
			return nil, ErrChanging
		}
		listing = again
	}
}

// pass checks what a listing names, as far as that has not been done. The log is
// not settled if something is missing that the listing may only have missed.
func (c *checker) pass(ctx context.Context, l segment.Listing) (_ *Report, settled bool, _ error) {
	c.log, c.files, c.values = findings{}, len(l.Segments), slices.Sorted(slices.Values(l.Values))
	files, err := c.chooseFiles(ctx, l)
	if err != nil {
		return nil, false, err
	}
	if c.files == 0 && len(c.kept) == c.fromCaller {
		return nil, false, ErrNoLog
	}
	files, heads, err := c.readHeads(ctx, files)
	if err != nil {
		return nil, false, err
	}
	if c.keys == nil {
		c.checkpointKeys = c.o.trusted().Checkpoints()
		if c.keys = c.o.trusted().Events(); len(c.keys) == 0 {
			c.keys = namedKeys(heads)
		}
	}
	authorities := c.authorize(files, heads)
	if err := c.rightOrigin(authorities); err != nil {
		return nil, false, err
	}
	if err := c.rightKey(authorities); err != nil {
		return nil, false, err
	}
	c.openKept(authorities)
	c.perSegment = c.o.MaxFindings
	if len(files) > 0 {
		c.base = files[0].Parsed.FirstIndex
		// All segments together keep no more than some times what the report
		// can hold.
		c.perSegment = min(c.o.MaxFindings, max(4, 16*c.o.MaxFindings/len(files)))
	}
	results, err := c.segments(ctx, files, authorities)
	if err != nil {
		return nil, false, err
	}
	settled = !slices.ContainsFunc(results, func(r *result) bool { return r.gone })
	if !settled {
		return nil, false, nil
	}
	if err := c.checkPruned(ctx, results); err != nil {
		return nil, false, err
	}
	j, err := c.join(ctx, results, authorities)
	if err != nil {
		return nil, false, err
	}
	if err := c.checkDuplicates(ctx, results, j); err != nil {
		return nil, false, err
	}
	return c.report(results, j), !j.missing, nil
}

// segments checks all segments, several at a time.
func (c *checker) segments(ctx context.Context, files []segment.File, authorities []*authority) ([]*result, error) {
	results := make([]*result, len(files))
	todo := make([]int, 0, len(files))
	for i, f := range files {
		if results[i] = c.checkedFiles[fileState{f.Name, f.Size, i == len(files)-1}]; results[i] == nil {
			todo = append(todo, i)
			c.total.Add(f.Size)
		}
	}
	c.slots = make(chan struct{}, c.o.Jobs)
	c.budget.init(budgetBytes)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := atomic.Int64{}
	var wg sync.WaitGroup
	for range min(c.o.Jobs, maxOpen, len(todo)) {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(todo) || ctx.Err() != nil {
					return
				}
				i := todo[n]
				r, err := c.segment(ctx, files[i], authorities[i], i == len(files)-1)
				if err != nil {
					cancel(err)
					return
				}
				slices.Sort(r.ids)
				results[i] = r
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for i, f := range files {
		if !results[i].gone {
			c.checkedFiles[fileState{f.Name, f.Size, i == len(files)-1}] = results[i]
		}
	}
	return results, nil
}

// report sums up.
func (c *checker) report(results []*result, j *joined) *Report {
	r := &j.report
	r.SelfAttested = len(c.o.trusted().Events()) == 0
	r.FailedEventIDs, r.KeyIDs, r.Segments = []string{}, []string{}, []Segment{}
	if r.Checkpoints == nil {
		r.Checkpoints = []KeptCheckpoint{}
	}
	if r.Witnesses == nil {
		r.Witnesses = []Witnessed{}
	}
	r.FindingCounts = map[Severity]int{Tampering: 0, Unchecked: 0, Warning: 0, Info: 0}
	all := append([]Finding{}, c.log.list...)
	count := func(f findings) {
		for s, n := range f.count {
			r.FindingCounts[severities[s]] += int(n)
		}
	}
	count(c.log)
	for i, s := range results {
		r.TotalEvents += s.total
		r.VerifiedEvents += s.verified
		r.FailedEvents += s.failed
		r.UnsignedEvents += s.unsigned
		r.OwnEvents += s.ownEvents
		r.InRangeByCommitTime += s.byCommit
		r.Opened += s.opened
		r.Withheld += s.withheld
		here := slices.Concat(s.findings.list, j.found[i].list)
		slices.SortStableFunc(here, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
		all = append(all, here...)
		count(s.findings)
		count(j.found[i])
		room := max(0, c.o.MaxFindings-len(r.FailedEventIDs))
		r.FailedEventIDs = append(r.FailedEventIDs, s.failedIDs[:min(room, len(s.failedIDs))]...)
		for _, k := range s.signers {
			if !slices.Contains(r.KeyIDs, k) {
				r.KeyIDs = append(r.KeyIDs, k)
			}
		}
		if t := s.counts.first; !t.IsZero() && (r.FirstEvent == nil || t.Before(*r.FirstEvent)) {
			r.FirstEvent = &t
		}
		if t := s.counts.last; !t.IsZero() && (r.LastEvent == nil || t.After(*r.LastEvent)) {
			r.LastEvent = &t
		}
		r.Segments = append(r.Segments, s.summary())
	}
	r.Findings = mostSevere(all, c.o.MaxFindings)
	for _, n := range r.FindingCounts {
		r.FindingsOmitted += n
	}
	r.FindingsOmitted -= len(r.Findings)
	r.InRangeByEventTime = r.TotalEvents - r.InRangeByCommitTime
	r.TamperingDetected = r.FindingCounts[Tampering] > 0
	r.Verdict = verdictOf(r.FindingCounts)
	return r
}
