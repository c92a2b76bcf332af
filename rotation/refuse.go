// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"encoding/hex"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/limiter"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// So many refused records may have an event of their own at once, and then one in each
// interval: who may not write a record is not to fill the log with refusals.
const (
	refusalsAtOnce  = 1000
	refusalInterval = time.Second
)

func newRefusals() limiter.Limiter { return limiter.New(refusalsAtOnce, refusalInterval) }

// refusedEvent is what the log says of a refused record.
func refusedEvent(r stage.Refusal) logevent.Event {
	return logevent.Event{Action: logevent.Refused, Refused: &logevent.Refusal{
		EventID: r.EventID, Reason: r.Reason, Record: r.Place.String(), SHA256: hex.EncodeToString(r.SHA256),
	}}
}

// refuse takes what the log has to say of a group's refused records. Those that there is
// no room for are counted, for the next commit to tell.
func refuse(budget *limiter.Limiter, g *group, now time.Time) (says []logevent.Event) {
	for _, c := range g.calls {
		room := stage.MaxNamedRefusals
		take := func(r stage.Refused) {
			for _, one := range r.Named {
				if room == 0 {
					budget.Suppress(1)
				} else if budget.Allow(now) {
					says = append(says, refusedEvent(one))
					room--
				}
			}
			budget.Suppress(uint64(r.More))
		}
		for _, b := range c.Batches {
			take(b.Refused())
		}
		take(c.Refused)
	}
	return says
}

// suppressed returns what is left to say of refused records that have no event of their
// own.
func suppressed(budget *limiter.Limiter) []logevent.Event {
	if n := budget.Tell(); n > 0 {
		return []logevent.Event{{Action: logevent.RefusedSuppressed, Refused: &logevent.Refusal{Count: n}}}
	}
	return nil
}

// tellSuppressed says what is left to say of refused records, if no commit has.
func (w *writer) tellSuppressed() error {
	says := suppressed(&w.refusals)
	if says == nil {
		return nil
	}
	w.pending = append(w.pending, says...)
	return w.commit(nil)
}
