// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/limiter"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// Place says where a record stands in its call, each part counted from 0.
type Place struct{ Resource, Scope, Record int32 }

func (p Place) String() string {
	return fmt.Sprintf("resource %d, scope %d, record %d", p.Resource, p.Scope, p.Record)
}

// Compare orders places as records stand in the call.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Resource, q.Resource), cmp.Compare(p.Scope, q.Scope), cmp.Compare(p.Record, q.Record))
}

// Refusal is a record of a call that is not written for good, while the others are.
type Refusal struct {
	Place Place
	// Reason is why, in one word fit for a metric.
	Reason string
	// SHA256 is that of the event in canonical JSON that would have been written; nil if
	// there is none.
	SHA256 []byte
	// EventID is the record's id, cut to 128 bytes; empty if it has none.
	EventID string
	// Err says why in full, to the caller.
	Err error
}

// Refused are the records of a call that are not written: those that are named, and how
// many more there are.
type Refused struct {
	Named []Refusal
	More  int
}

// Len returns how many records were refused.
func (r Refused) Len() int { return len(r.Named) + r.More }

// MaxNamedRefusals is how many refused records of one call have an event of their own at the most.
const MaxNamedRefusals = 100

// So many refused records may have an event of their own at once, and then one in each
// interval: who may not write a record is not to fill the log with refusals.
const (
	refusalsAtOnce  = 1000
	refusalInterval = time.Second
)

func newRefusals() limiter.Limiter { return limiter.New(refusalsAtOnce, refusalInterval) }

// Refuse says that a record of the call is not among the batch's events, and is not to be
// written: the log says so in the same commit. With the zero Refusal it is only counted.
func (b *Batch) Refuse(r Refusal) {
	if r.Reason == "" {
		b.refused.More++
		return
	}
	b.refused.Named = append(b.refused.Named, r)
}

// maxSaidID is how many bytes of an id are repeated in errors.
const maxSaidID = 128

func cutID(id string) string { return id[:min(len(id), maxSaidID)] }

func (r Refusal) own() logevent.Event {
	return logevent.Event{Action: logevent.Refused, Refused: &logevent.Refusal{
		EventID: r.EventID, Reason: r.Reason, Record: r.Place.String(), SHA256: hex.EncodeToString(r.SHA256),
	}}
}

// refuse takes what the log has to say of a group's refused records. Those that there is
// no room for are counted, for the next commit to tell.
func (l *Log) refuse(g *group) (says []logevent.Event) {
	now := l.opts.Now()
	for _, c := range g.calls {
		room := MaxNamedRefusals
		take := func(r Refused) {
			for _, one := range r.Named {
				if room == 0 {
					l.refusals.Suppress(1)
				} else if l.refusals.Allow(now) {
					says = append(says, one.own())
					room--
				}
			}
			l.refusals.Suppress(uint64(r.More))
		}
		for _, b := range c.batches {
			take(b.refused)
		}
		take(c.refused)
	}
	return says
}

// suppressed returns what is left to say of refused records that have no event of their
// own.
func (l *Log) suppressed() []logevent.Event {
	if n := l.refusals.Tell(); n > 0 {
		return []logevent.Event{{Action: logevent.RefusedSuppressed, Refused: &logevent.Refusal{Count: n}}}
	}
	return nil
}

// tellSuppressed says what is left to say of refused records, if no commit has.
func (l *Log) tellSuppressed(context.Context) (err error) {
	l.hold(func() { err = l.commitSuppressed() })
	return err
}

func (l *Log) commitSuppressed() error {
	says := l.suppressed()
	if says == nil {
		return nil
	}
	l.pending = append(l.pending, says...)
	return l.commit(nil)
}
