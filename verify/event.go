// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/visible"
)

func (f *follower) event(l *checked) {
	index := f.nextIndex()
	// What is not in order is counted whatever time it says. Another event that is out of
	// range is counted if its commit is not.
	ranged := l.bad != nil || f.inRange(l.sum.Time)
	tally := &f.group.present
	if !ranged {
		tally = &f.group.late
	}
	kind, message := f.checkEventLine(l, *index)
	good := kind == ""
	f.checkOtherSigners(*index, time.Time{})
	f.addLeaf(l, good && ranged, good && !ranged)
	f.rememberID(l.sum.ID)
	if f.commit.idsUnknown = f.commit.idsUnknown || l.bad != nil; slices.Contains(f.claims.Features, segline.FeatureIDs) && !f.commit.idsUnknown {
		f.commit.ids.Append(l.idLeaf)
	}
	tally.count(l)
	if !good {
		one := newFinding(kind, Tampering, place{line: f.line, index: index, eventID: visible.Clip(l.sum.ID, maxID)}, "%s", message)
		tally.fail(f.c.perSegment, one.EventID)
		switch {
		case l.bad == nil:
			f.add(one)
		case f.mustRecheck(l, one):
			tally.torn++
		}
		return
	}
	if l.unsigned {
		f.add(newFinding(UnsignedEvent, Warning, place{index: index, eventID: visible.Clip(l.sum.ID, maxID)}, "the event was written without a signature of its own, because signing failed; the checkpoint covers it"))
		tally.unsigned++
	}
	if l.sum.Log != nil {
		f.readLogEvent(l, *index)
	}
	if len(l.withheld) > 0 || f.openings != nil {
		opened, withheld, err := f.open(*index, l.withheld)
		tally.opened += opened
		tally.withheld += withheld
		f.failure = err
	}
	tally.addPending(f.c.perSegment, l, f.authority.bound())
}

// checkEventLine says what is wrong with an event line by itself.
func (f *follower) checkEventLine(l *checked, index uint64) (Kind, string) {
	switch {
	case l.bad != nil:
		return EventMalformed, l.bad.Error()
	case l.signed == sigInvalid:
		return EventSignatureInvalid, "the event's signature does not fit the event: one of the two has been changed"
	case l.signed == sigUnknownKey:
		return UnknownKey, fmt.Sprintf("the event is signed with the key %s, which is not the segment's, or not trusted", l.keyID)
	case l.keyID == "" && !l.unsigned && f.claims.Scope == segline.ScopeEvent:
		return UnsignedEvent, "the event has no signature, but every event of this segment must have one"
	default:
		return f.authority.objectionToEvent(l, index)
	}
}

// objectionToEvent is [authority.objection] for an event of which only the index is known: times are
// those of commits. Where the segment's key is not known, the event's own signature says
// whose it is.
func (a *authority) objectionToEvent(l *checked, index uint64) (kind Kind, why string) {
	for _, k := range a.trustedSigners {
		if a.header == nil && l.signed == sigValid && k.ID() != l.keyID {
			continue
		}
		kind, why = objection(k.byIndex, index, time.Time{})
		if kind == "" {
			return "", ""
		}
	}
	return kind, why
}

func (t *tally) count(l *checked) {
	t.total++
	if l.sum.Log != nil {
		t.ownEvents++
	}
	if l.bad == nil {
		t.span(l.sum.Time)
	}
}
