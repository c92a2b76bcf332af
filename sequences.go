// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/limiter"
	"github.com/otel-auditlog/auditlogexporter/internal/sequence"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// SequencesConfig says how producers' streams are followed (attributes
// audit.sequence.*).
type SequencesConfig struct {
	// MaxStreams is how many streams are remembered: of more, those that were quiet
	// longest are forgotten. 0 follows none.
	MaxStreams int `mapstructure:"max_streams"`
}

const (
	// defaultStreams take about 2.8 MB.
	defaultStreams = 10_000
	maxStreams     = 10_000_000

	// So many findings in streams of one producer, or in all those without a proof, may
	// have an event of their own at once, and then one a second.
	findingsAtOnce  = 60
	findingInterval = time.Second

	// maxKeptText keeps one huge record from holding its memory for ever.
	maxKeptText = 64 << 10
)

// sequenceActions are the actions of the log's own events about streams.
var sequenceActions = map[sequence.Kind]logevent.Action{
	sequence.Gap:        logevent.SequenceGap,
	sequence.Repeat:     logevent.SequenceRepeat,
	sequence.BrokenLink: logevent.SequenceBrokenLink,
	sequence.AfterEnd:   logevent.SequenceAfterEnd,
	sequence.Malformed:  logevent.SequenceMalformed,
}

func (c *Config) validateSequences(p *problems) {
	if n := c.Sequences.MaxStreams; n < 0 || n > maxStreams {
		p.add("sequences::max_streams", "%d: write how many streams are to be remembered, up to %d, or 0 to follow none", n, maxStreams)
	}
}

// sequences follows the streams of one log as they are written. Its methods are called from within
// commits, one at a time.
type sequences struct {
	tracker    *sequence.Tracker
	maxStreams int
	telemetry  *telemetry
	now        func() time.Time

	// One for each producer, so that none can have what is found in another's streams go
	// untold; before has those that Follow has used, as they were.
	limiters, before map[string]limiter.Limiter
	found            map[sequence.Kind]int64
	reader           sequenceReader // for Recall
}

var _ rotation.Follower = (*sequences)(nil)

// followStreams begins to follow the streams in a log that is about to be opened; nil if
// none are to be followed.
func (e *auditExporter) followStreams(t *telemetry) rotation.Follower {
	if !e.followsStreams() {
		return nil // and not a nil *sequences
	}
	return newSequences(e.config, t)
}

func (e *auditExporter) followsStreams() bool { return e.config.Sequences.MaxStreams > 0 }

func newSequences(c *Config, t *telemetry) *sequences {
	return &sequences{
		tracker: sequence.New(c.Sequences.MaxStreams), maxStreams: c.Sequences.MaxStreams, telemetry: t, now: time.Now,
		limiters: map[string]limiter.Limiter{}, before: map[string]limiter.Limiter{}, found: map[sequence.Kind]int64{},
	}
}

// Follow implements rotation.Follower. A tag is a *links.
func (s *sequences) Follow(tags []any) (says []logevent.Event) {
	now := s.now()
	for _, producer := range slices.Sorted(maps.Keys(s.limiters)) {
		s.limit(producer, func(l *limiter.Limiter) {
			if n := l.Suppressed(now); n > 0 {
				says = append(says, logevent.Event{Action: logevent.SequenceSuppressed, Sequence: &logevent.Sequence{Producer: producer, Count: n}})
			}
		})
	}
	for _, tag := range tags {
		for _, f := range s.tracker.Stage(tag.(*links).records) {
			s.found[f.Kind]++
			s.limit(f.Producer, func(l *limiter.Limiter) {
				if l.Allow(now) {
					says = append(says, logevent.Event{Action: sequenceActions[f.Kind], Sequence: &logevent.Sequence{
						Stream: f.Stream, RecordID: f.RecordID, Producer: f.Producer,
						Number: f.Number, Expected: f.Expected, Missing: f.Missing(),
					}})
				}
			})
		}
	}
	return says
}

// limit lets use change the limiter of a producer, until Settled says whether that holds.
func (s *sequences) limit(producer string, use func(*limiter.Limiter)) {
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

// Settled implements rotation.Follower.
func (s *sequences) Settled(durable bool) {
	if durable {
		forgotten := s.tracker.Commit()
		s.telemetry.sequences(s.found, forgotten)
	} else {
		maps.Copy(s.limiters, s.before)
		s.tracker.Abort()
	}
	clear(s.before)
	clear(s.found)
}

// link takes note of the place in a stream of the record at hand, which has been added
// to the batch.
func (w *worker) link(b *rotation.Batch) {
	r, ok := w.read(w.record, w.producer())
	if !ok {
		return
	}
	all, _ := b.Tag().(*links)
	if all == nil {
		all = new(links)
		b.SetTag(all)
	}
	all.records = append(all.records, r)
	all.events = append(all.events, b.Len()-1)
}

// links are the places in streams of a batch's events, and those events' numbers.
type links struct {
	records []sequence.Record
	events  []int
}

var _ rotation.Selective = (*links)(nil)

// Without implements rotation.Selective.
func (l *links) Without(events []int) any {
	left := new(links)
	for i, event := range l.events {
		if _, found := slices.BinarySearch(events, event); !found {
			left.records, left.events = append(left.records, l.records[i]), append(left.events, event)
		}
	}
	return left
}

// sequenceReader reads records' places in streams, for one goroutine at a time.
type sequenceReader struct {
	form ingress.Form
	text []byte
}

func (s *sequenceReader) read(record plog.LogRecord, producer string) (sequence.Record, bool) {
	r, ok := sequence.Read(record.Attributes(), producer)
	if !ok {
		return r, false
	}
	var err error
	if s.text, err = s.form.Append(s.text[:0], record); err == nil {
		r.SetHash(sha256.Sum256(s.text))
	}
	if cap(s.text) > maxKeptText {
		s.text = nil
	}
	return r, true
}

// Recall implements rotation.Follower.
func (s *sequences) Recall(canonical []byte) error {
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
	if r, ok := s.reader.read(logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0), producer); ok {
		s.tracker.Stage([]sequence.Record{r})
		s.tracker.Commit()
	}
	return nil
}

// Forget implements rotation.Follower.
func (s *sequences) Forget() { s.tracker = sequence.New(s.maxStreams) }
