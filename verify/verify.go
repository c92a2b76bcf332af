// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Options say what to trust and what to count.
type Options struct {
	// Keys are the trusted public keys. With none, the keys that the log names are
	// used, which shows that it is consistent, not who wrote it.
	Keys []*signing.PublicKey
	// Since and Until restrict which events are counted: Since ≤ time < Until. A
	// zero time does not restrict.
	Since, Until time.Time
	// Checkpoints are checkpoints kept elsewhere (signed notes): the log must
	// extend each of them.
	Checkpoints [][]byte
	// Jobs is how many goroutines check at once; 0 means one for each CPU.
	Jobs int
	// Progress is called now and then, from several goroutines, with the number of
	// stored bytes checked so far and in all. It may be nil.
	Progress func(done, total int64)
	// MaxFindings bounds the findings kept for each segment; 0 means 1000.
	MaxFindings int
}

// Errors that keep a log from being checked.
var (
	// ErrNoLog: the directory holds no segment.
	ErrNoLog = errors.New("there is no audit log here: no file is named audit-….jsonl")
	// ErrWrongKey: the log is signed, but with none of the keys given.
	ErrWrongKey = errors.New("the log is not signed with any of the keys given")
)

// Log checks the log in the root of fsys. Whatever is wrong with the log itself is
// a finding; the error says that it could not be checked. The same log and options
// give the same report.
func Log(ctx context.Context, fsys fs.FS, o Options) (*Report, error) {
	if o.Jobs <= 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	if o.MaxFindings <= 0 {
		o.MaxFindings = 1000
	}
	listing, err := segment.List(fsys)
	if err != nil {
		return nil, err
	}
	if len(listing.Segments) == 0 && !listing.Checkpoint {
		return nil, ErrNoLog
	}
	c := &checker{fsys: fsys, o: o, report: &Report{SelfAttested: len(o.Keys) == 0, FailedEventIDs: []string{}, KeyIDs: []string{}, Segments: []Segment{}, Findings: []Finding{}}}
	files, err := c.choose(ctx, listing)
	if err != nil {
		return nil, err
	}
	c.keys = o.Keys
	if len(c.keys) == 0 {
		c.keys = c.namedKeys(files)
	}
	c.keep(listing.Checkpoint)
	results, err := c.segments(ctx, files)
	if err != nil {
		return nil, err
	}
	if err := c.join(results); err != nil {
		return nil, err
	}
	if err := c.duplicates(ctx, files, results); err != nil {
		return nil, err
	}
	c.finish(results)
	return c.report, nil
}

// checker is one run.
type checker struct {
	fsys   fs.FS
	o      Options
	keys   []*signing.PublicKey
	kept   []*keptCheckpoint
	report *Report
	// log are findings about the log as a whole.
	log []Finding

	done, total atomic.Int64
	// slots bounds the goroutines that check lines.
	slots chan struct{}
	// budget bounds the bytes they have in hand.
	budget byteBudget
}

// choose picks the file to read for each segment, and says what else there is.
func (c *checker) choose(ctx context.Context, l segment.Listing) (files []segment.File, err error) {
	for _, name := range l.Unknown {
		c.log = append(c.log, Finding{Kind: UnknownFile, Severity: Info, Segment: name, Message: "the file is not part of the log, and was not looked at"})
	}
	for _, f := range l.Segments {
		if !f.Mode.IsRegular() {
			c.log = append(c.log, Finding{Kind: SegmentUnreadable, Severity: Tampering, Segment: f.Name, Message: fmt.Sprintf("not a regular file but %s; it was not opened", f.Mode.Type())})
			continue
		}
		if n := len(files); n > 0 && files[n-1].Parsed.Plain() == f.Parsed.Plain() {
			same, err := c.sameContent(ctx, files[n-1], f)
			if err != nil {
				return nil, err
			}
			if same {
				c.log = append(c.log, Finding{Kind: CompressionLeftover, Severity: Info, Segment: f.Name, Message: "the segment is also there plain, with the same content: compression was interrupted"})
			} else {
				c.log = append(c.log, Finding{Kind: SegmentOverlap, Severity: Tampering, Segment: f.Name, Message: fmt.Sprintf("it does not hold what %s holds, though both are said to be the same segment", files[n-1].Name)})
			}
			continue
		}
		files = append(files, f)
		c.total.Add(f.Size)
	}
	return files, nil
}

// namedKeys returns the keys that the segments' headers name.
func (c *checker) namedKeys(files []segment.File) (keys []*signing.PublicKey) {
	seen := map[string]bool{}
	for _, f := range files {
		r, err := segment.Open(c.fsys, f.Name, -1)
		if err != nil {
			continue // found again, and reported, when the segment is read
		}
		line, err := r.Next()
		if err == nil {
			if h, err := segment.ParseHeader(line); err == nil {
				for _, k := range h.Keys {
					if p, err := signing.ParsePublicKeyDER(k.PublicKey); err == nil && !seen[p.ID()] {
						seen[p.ID()] = true
						keys = append(keys, p)
					}
				}
			}
		}
		r.Close()
	}
	return keys
}

// segments checks all segments, several at a time.
func (c *checker) segments(ctx context.Context, files []segment.File) ([]*result, error) {
	c.slots = make(chan struct{}, c.o.Jobs)
	c.budget.init(budgetBytes)
	results := make([]*result, len(files))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := atomic.Int64{}
	var wg sync.WaitGroup
	for range min(c.o.Jobs, len(files)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(files) || ctx.Err() != nil {
					return
				}
				r, err := c.segment(ctx, files[i], i == len(files)-1)
				if err != nil {
					cancel(err)
					return
				}
				results[i] = r
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
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

// finish sums up.
func (c *checker) finish(results []*result) {
	r := c.report
	r.Findings = append(r.Findings, c.log...)
	signers := map[string]bool{}
	for _, s := range results {
		r.TotalEvents += s.total
		r.VerifiedEvents += s.verified
		r.FailedEvents += s.failed
		r.UnsignedEvents += s.unsigned
		r.OwnEvents += s.own
		r.FindingsOmitted += s.omitted
		r.Findings = append(r.Findings, s.findings...)
		if room := c.o.MaxFindings - len(r.FailedEventIDs); room > 0 {
			r.FailedEventIDs = append(r.FailedEventIDs, s.failedIDs[:min(room, len(s.failedIDs))]...)
		}
		for _, k := range s.signers {
			if !signers[k] {
				signers[k] = true
				r.KeyIDs = append(r.KeyIDs, k)
			}
		}
		if s.first != nil && (r.FirstEvent == nil || s.first.Before(*r.FirstEvent)) {
			r.FirstEvent = s.first
		}
		if s.last != nil && (r.LastEvent == nil || s.last.After(*r.LastEvent)) {
			r.LastEvent = s.last
		}
		r.Segments = append(r.Segments, s.summary())
	}
	for _, f := range r.Findings {
		if f.Severity == Tampering {
			r.TamperingDetected = true
		}
	}
}
