// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/kept"
	"github.com/otel-auditlog/auditlogexporter/internal/keyhistory"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Options say what to trust and what to count.
type Options struct {
	// Keys are the trusted public keys. With none, the keys that the log names are
	// used, which shows that it is consistent, not who wrote it.
	//
	// Where the log changes its key, the old key introduces the new one: trusting the
	// first is enough. Trusting a later one only, what came before it is checked with
	// the keys that it succeeded; the report says where trust begins.
	//
	// They are the keys of events, the first that a header names. A key that signs
	// checkpoints next to that one does not count here.
	Keys []*signing.PublicKey
	// CheckpointKeys sign checkpoints next to a key of events. They never make a log
	// trusted. From the first segment on that names such a key, it must sign every
	// checkpoint, unless it leaves by a key change that it has signed itself, or by its
	// bounds in Trust.
	CheckpointKeys []*signing.PublicKey
	// Trust are more trusted keys, with what they are for and what bounds them. Leaves that
	// a key signed outside its bounds, or once it was revoked, are findings; so is a log
	// that has not got as far as their indices say.
	Trust trust.Keys
	// AsOf says that the log is a copy of the time when it had so many leaves: it must have
	// those, and not as many as Trust says. nil says nothing of the kind.
	AsOf *uint64
	// Origin is the origin that the log must have; "" for any.
	Origin string
	// Directory is the name of the log's directory, with which the origin of a partition
	// must end: copies may have another, which is said. "" if it is not known.
	Directory string
	// Placed says that Directory is the name that the writer has given it, next to other
	// logs: another one is tampering, and indices in Trust, which are of one log, accuse this
	// one only if the caller asks for it by its Origin.
	Placed bool
	// Since and Until restrict which events are counted: those whose own time, or their
	// commit's, is in range, Since ≤ time < Until. A zero time does not restrict.
	Since, Until time.Time
	// Checkpoints are checkpoints kept elsewhere: the log must extend each of them.
	Checkpoints []Kept
	// RequireCheckpoint asks for a kept checkpoint, a receipt or a quorum of witnesses that
	// shows how far the log had come: without one its end is not checked.
	RequireCheckpoint bool
	// Receipts are receipts that producers hold: the log must honor each. It may be nil.
	Receipts *receipt.Set
	// Witnesses are trusted to have followed the log, Quorum is how many of them must
	// have cosigned one of its checkpoints; 0 means all. Keys of the same name are of one
	// witness, which counts once.
	Witnesses []*witness.Key
	Quorum    int
	// Jobs is how many goroutines check at once; 0 means one for each CPU.
	Jobs int
	// Progress is called now and then, from several goroutines, with the number of
	// stored bytes checked so far and in all. It may be nil.
	Progress func(done, total int64)
	// Now is the clock here, against which the log's promises and times are held; nil means
	// time.Now.
	Now func() time.Time
	// CompleteFrom demands every leaf from an index, or a time, on; nil demands none.
	CompleteFrom *trust.Point
	// MaxFindings bounds the findings and the failed events' ids in the report; all
	// are counted. 0 means 1000.
	MaxFindings int
	// Trees are for package fleet: further trees to compare the log with, whoever signed them.
	// Others leave it nil.
	Trees []*kept.Tree
}

// Kept is a checkpoint that the caller has kept apart from the log, as a signed note.
type Kept struct {
	// Name is what findings call it, such as the name of its file; "" for its number in
	// [Options.Checkpoints], counted from 1.
	Name string
	// Note is the note with its signatures, cosignatures of witnesses among them.
	Note []byte
}

// Errors that keep a log from being checked.
var (
	// ErrNoLog: the directory holds no segment.
	ErrNoLog = logdir.ErrNoLog
	// ErrWrongKey: the log is signed, but with none of the keys given.
	ErrWrongKey = signers.ErrWrongKey
	// ErrWrongOrigin: the log is another than the one asked for.
	ErrWrongOrigin = signers.ErrWrongOrigin
	// ErrNoEventKey: keys are given, but none to check events with.
	ErrNoEventKey = signers.ErrNoEventKey
	// ErrChanging: segments came and went faster than they could be read.
	ErrChanging = errors.New("the log kept changing while it was being checked: try again, or check a copy")
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
	c := &checker{fsys: fsys, o: o, now: time.Now(), known: map[known]*result{}}
	if o.Now != nil {
		c.now = o.Now()
	}
	if err := c.addGiven(); err != nil {
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

// checker is one run.
type checker struct {
	fsys fs.FS
	o    Options
	now  time.Time
	// keys are the keys trusted for events, or the one that the log names if there are
	// none; checkpointKeys those trusted for checkpoints.
	keys, checkpointKeys []*signing.PublicKey
	// kept are checkpoints that the log must extend, keptOf those of a size that are good;
	// given is how many come from the caller.
	kept   []*keptCheckpoint
	keptOf map[uint64][]*keptCheckpoint
	given  int
	// noCheckpointOnDisk says that the log's file checkpoint is not there, or empty.
	noCheckpointOnDisk bool
	// history is the key changes in their file, changes are those and the ones in the segments.
	history *keyhistory.History
	changes *keyChanges
	// known are the results of segments that have been checked.
	known map[known]*result
	// perSegment bounds the findings of each severity kept for a segment.
	perSegment int
	// base is the index of the first leaf there is, files the number of files that have a
	// segment's name.
	base  uint64
	files int
	// values are the files of openings, sorted.
	values []string
	// lastHead has the keys of the header that was read last; see publicKeys.
	lastHead *authority
	// log are findings about the log as a whole.
	log findings

	done, total atomic.Int64
	// slots bounds the goroutines that check lines.
	slots chan struct{}
	// budget bounds the bytes they have in hand.
	budget byteBudget
}

// known names a file as it was when it was checked.
type known struct {
	name   string
	size   int64
	newest bool
}

// pass checks what a listing names, as far as that has not been done. The log is
// not settled if something is missing that the listing may only have missed.
func (c *checker) pass(ctx context.Context, l segment.Listing) (_ *Report, settled bool, _ error) {
	c.log, c.files, c.values = findings{}, len(l.Segments), slices.Sorted(slices.Values(l.Values))
	files, err := c.choose(ctx, l)
	if err != nil {
		return nil, false, err
	}
	if c.files == 0 && len(c.kept) == c.given {
		return nil, false, ErrNoLog
	}
	files, heads, err := c.heads(ctx, files)
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
	if err := c.duplicates(ctx, results, j); err != nil {
		return nil, false, err
	}
	return c.report(results, j), !j.missing, nil
}

// maxOpen bounds the segments that are read at a time, and thereby the memory that
// decompression takes, on machines with many CPUs. The lines of each are checked by
// all goroutines there are.
const maxOpen = 4

// segments checks all segments, several at a time.
func (c *checker) segments(ctx context.Context, files []segment.File, authorities []*authority) ([]*result, error) {
	results := make([]*result, len(files))
	todo := make([]int, 0, len(files))
	for i, f := range files {
		if results[i] = c.known[known{f.Name, f.Size, i == len(files)-1}]; results[i] == nil {
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
			c.known[known{f.Name, f.Size, i == len(files)-1}] = results[i]
		}
	}
	return results, nil
}

// progress reports that n more stored bytes have been read.
func (c *checker) progress(n int64) {
	done := c.done.Add(n)
	if c.o.Progress != nil {
		c.o.Progress(done, c.total.Load())
	}
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
		r.OwnEvents += s.ours
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
