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
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// So many findings in streams of one producer, or in all those without a proof, may
// have an event of their own at once, and then one a second.
const (
	findingsAtOnce  = 60
	findingInterval = time.Second
)

// actions are those of the log's own events about streams.
var actions = map[Kind]logevent.Action{
	Gap:        logevent.SequenceGap,
	Repeat:     logevent.SequenceRepeat,
	BrokenLink: logevent.SequenceBrokenLink,
	AfterEnd:   logevent.SequenceAfterEnd,
	Malformed:  logevent.SequenceMalformed,
}

// Stage follows the streams of one log: it shows a [Tracker] what each commit writes, and
// has the log say what does not fit, in the same commit.
type Stage struct {
	tracker    *Tracker
	maxStreams int
	report     func(found map[Kind]int64, forgotten int)
	now        func() time.Time

	// One for each producer, so that none can have what is found in another's streams go
	// untold; before has those that Admit has used, as they were.
	limiters, before map[string]limiter.Limiter
	found            map[Kind]int64
	reader           Reader // for Recall
}

var _ stage.Stage = (*Stage)(nil)

// NewStage returns a stage for one log that remembers so many streams. After each commit report is
// given what was found in it, and how many streams were forgotten.
func NewStage(maxStreams int, report func(found map[Kind]int64, forgotten int)) *Stage {
	return &Stage{
		tracker: New(maxStreams), maxStreams: maxStreams, report: report, now: time.Now,
		limiters: map[string]limiter.Limiter{}, before: map[string]limiter.Limiter{}, found: map[Kind]int64{},
	}
}

// Admit implements [stage.Stage]. A batch's tag is a *links.
func (s *Stage) Admit(a *stage.Admission) {
	now := s.now()
	for _, producer := range slices.Sorted(maps.Keys(s.limiters)) {
		s.limit(producer, func(l *limiter.Limiter) {
			if n := l.Suppressed(now); n > 0 {
				a.Say(logevent.Event{Action: logevent.SequenceSuppressed, Sequence: &logevent.Sequence{Producer: producer, Count: n}})
			}
		})
	}
	for b := range a.Batches() {
		if all, ok := b.Tag().(*links); ok {
			for _, found := range s.tracker.Stage(all.written(b)) {
				s.found[found.Kind]++
				s.say(a, found, now)
			}
		}
	}
}

// say has the log say what was found, as often as it may.
func (s *Stage) say(a *stage.Admission, found Finding, now time.Time) {
	s.limit(found.Producer, func(l *limiter.Limiter) {
		if l.Allow(now) {
			a.Say(logevent.Event{Action: actions[found.Kind], Sequence: &logevent.Sequence{
				Stream: found.Stream, RecordID: found.RecordID, Producer: found.Producer,
				Number: found.Number, Expected: found.Expected, Missing: found.Missing(),
			}})
		}
	})
}

// limit lets use change the limiter of a producer, until Settle says whether that holds.
func (s *Stage) limit(producer string, use func(*limiter.Limiter)) {
	l, known := s.limiters[producer]
	if !known {
		l = limiter.New(findingsAtOnce, findingInterval)
	}
	if _, saved := s.before[producer]; !saved {
		s.before[producer] = l
	}
	use(&l)
	s.limiters[producer] = l
}

// Settle implements [stage.Stage].
func (s *Stage) Settle(_ uint64, durable bool) {
	if durable {
		forgotten := s.tracker.Commit()
		s.report(s.found, forgotten)
	} else {
		maps.Copy(s.limiters, s.before)
		s.tracker.Abort()
	}
	clear(s.before)
	clear(s.found)
}

// Recall implements [stage.Stage].
func (s *Stage) Recall(line logdir.CheckedLine) error {
	if !bytes.Contains(line.Bytes(), []byte(mapping.SequencePrefix)) {
		return nil
	}
	parsed, err := segment.ParseEvent(nil, line.Bytes())
	if err != nil {
		return err
	}
	e, err := event.Parse(parsed.Canonical)
	if err != nil || e.Log != nil {
		return err
	}
	producer, err := ingress.ProducerOf(e.Ingress)
	if err != nil {
		return err
	}
	logs, err := mapping.Logs(e)
	if err != nil {
		return err
	}
	if r, ok := s.reader.Read(logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0), producer); ok {
		s.tracker.Stage([]Record{r})
		s.tracker.Commit()
	}
	return nil
}

// Forget implements [stage.Stage].
func (s *Stage) Forget() { s.tracker = New(s.maxStreams) }
