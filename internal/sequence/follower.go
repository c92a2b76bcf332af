// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package sequence

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/limiter"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// So many findings in streams of one producer, or in all those without a proof, may
// have an event of their own at once, and then one a second.
const (
	findingsAtOnce  = 60
	findingInterval = time.Second
)

// The actions of the log's own events about streams.
const (
	sequenceAction     = "sequence_"
	sequenceSuppressed = sequenceAction + "suppressed"
)

// Follower follows the streams of one log: it shows a [Tracker] what each commit writes, and
// has the log say what does not fit, in the same commit. Its methods are called from within
// commits, one at a time.
type Follower struct {
	tracker    *Tracker
	maxStreams int
	report     func(found map[Kind]int64, forgotten int)
	now        func() time.Time

	// One for each producer, so that none can have what is found in another's streams go
	// untold; before has those that Follow has used, as they were.
	limiters, before map[string]limiter.Limiter
	found            map[Kind]int64
	reader           Reader // for Recall
}

var _ rotation.Follower = (*Follower)(nil)

// NewFollower makes a follower that remembers so many streams. After each commit report is
// given what was found in it, and how many streams were forgotten.
func NewFollower(maxStreams int, report func(found map[Kind]int64, forgotten int)) *Follower {
	return &Follower{
		tracker: New(maxStreams), maxStreams: maxStreams, report: report, now: time.Now,
		limiters: map[string]limiter.Limiter{}, before: map[string]limiter.Limiter{}, found: map[Kind]int64{},
	}
}

// Follow implements rotation.Follower. A tag is a *links.
func (f *Follower) Follow(tags []any) (remarks []rotation.Remark) {
	now := f.now()
	for _, producer := range slices.Sorted(maps.Keys(f.limiters)) {
		f.limit(producer, func(l *limiter.Limiter) {
			if n := l.Suppressed(now); n > 0 {
				remarks = append(remarks, rotation.Remark{Action: sequenceSuppressed, Producer: producer, Count: n})
			}
		})
	}
	for _, tag := range tags {
		for _, found := range f.tracker.Stage(tag.(*links).records) {
			f.found[found.Kind]++
			f.limit(found.Producer, func(l *limiter.Limiter) {
				if l.Allow(now) {
					remarks = append(remarks, rotation.Remark{
						Action: sequenceAction + string(found.Kind), Stream: found.Stream, RecordID: found.RecordID, Producer: found.Producer,
						Number: found.Number, Expected: found.Expected, Missing: found.Missing(),
					})
				}
			})
		}
	}
	return remarks
}

// limit lets use change the limiter of a producer, until Settled says whether that holds.
func (f *Follower) limit(producer string, use func(*limiter.Limiter)) {
	l, known := f.limiters[producer]
	if !known {
		l = limiter.New(findingsAtOnce, findingInterval)
	}
	if _, saved := f.before[producer]; !saved {
		f.before[producer] = l
	}
	use(&l)
	f.limiters[producer] = l
}

// Settled implements rotation.Follower.
func (f *Follower) Settled(durable bool) {
	if durable {
		forgotten := f.tracker.Commit()
		f.report(f.found, forgotten)
	} else {
		maps.Copy(f.limiters, f.before)
		f.tracker.Abort()
	}
	clear(f.before)
	clear(f.found)
}

// Recall implements rotation.Follower.
func (f *Follower) Recall(canonical []byte) error {
	if !bytes.Contains(canonical, []byte(event.SequencePrefix)) {
		return nil
	}
	e, err := event.Parse(canonical)
	if err != nil || e.Log != nil {
		return err
	}
	producer, err := ingress.ProducerOf(e.Ingress)
	if err != nil {
		return err
	}
	logs, err := e.Logs()
	if err != nil {
		return err
	}
	if r, ok := f.reader.Read(logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0), producer); ok {
		f.tracker.Stage([]Record{r})
		f.tracker.Commit()
	}
	return nil
}

// Forget implements rotation.Follower.
func (f *Follower) Forget() { f.tracker = New(f.maxStreams) }
