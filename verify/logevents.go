// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/internal/visible"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// maxLogEvents bounds the events of the log's own that are kept for each group.
const maxLogEvents = 1000

// readLogEvent reads what the log says of itself.
func (f *follower) readLogEvent(l *checked, index uint64) {
	if l.claim != nil {
		f.claim(l.claim, index, visible.Clip(l.sum.ID, maxID))
		return
	}
	e := logEvent{line: f.line, index: index, id: visible.Clip(l.sum.ID, maxID), signed: l.signed == sigValid}
	parsed, err := logevent.Parse(l.sum.Log)
	if err != nil {
		f.add(newFinding(EventMalformed, Tampering, place{index: &index, eventID: e.id}, "what the log says of itself is malformed: %s", err))
		return
	}
	switch parsed.Action {
	case logevent.Rotated:
		// A writer says it once, at the head of a segment.
		if parsed.Previous != nil && f.line <= logevent.HeadLines {
			e.event = logevent.Event{Action: parsed.Action, Previous: parsed.Previous}
			f.group.logEvents = append(f.group.logEvents, e)
		}
	case logevent.KeyChanged:
		f.checkKeyChangeLine(&e)
	case logevent.Pruned, logevent.Recovered, logevent.Damaged, logevent.Contradicted:
		if len(f.group.logEvents) < maxLogEvents {
			e.event = logevent.Event{
				Action: parsed.Action, Before: parsed.Before, RootHash: parsed.RootHash, Size: parsed.Size,
				Segment: visible.Clip(parsed.Segment, maxID), Reason: visible.Clip(parsed.Reason, maxID), Witness: visible.Clip(parsed.Witness, maxID), Detail: visible.Clip(parsed.Detail, maxMessage),
			}
			f.group.logEvents = append(f.group.logEvents, e)
		}
	default:
		if !parsed.Action.Known() && !f.unknownAction {
			f.unknownAction = true // once for each segment
			f.add(newFinding(kindUnknownAction, Info, place{index: &index, eventID: e.id},
				"the log says %.100q of itself, which this version does not know: a newer one may have written it", parsed.Action))
		}
	}
}

// checkKeyChangeLine looks at an event that tells of a key change.
func (f *follower) checkKeyChangeLine(e *logEvent) {
	why := ""
	switch {
	case f.line != logevent.KeyChangedLine:
		why = "a key change stands on the second line of a segment, and nowhere else"
	case f.authority.header != nil && f.authority.change == nil:
		why = "the key change is malformed"
	default:
		return
	}
	f.add(newFinding(KeyChangeInvalid, Tampering, place{index: &e.index, eventID: e.id}, "%s", why))
}

// claim checks a claim. It counts once a signed checkpoint covers the event.
func (f *follower) claim(k *claim, index uint64, id string) {
	say := func(kind Kind, format string, args ...any) {
		f.add(newFinding(kind, Tampering, place{index: &index, eventID: id}, format, args...))
	}
	if k.bad != "" {
		say(EventMalformed, "what the log says of its witnesses is malformed: %s", k.bad)
		return
	}
	for _, why := range k.forged {
		say(CosignatureInvalid, "%s", why)
	}
	for _, r := range k.refused {
		name := f.c.o.Witnesses[r.witness].String()
		if !slices.Contains(f.objected, name) { // once for each segment
			f.objected = append(f.objected, name)
			f.add(newFinding(r.kind, Warning, place{index: &index, eventID: id}, "%s", r.why))
		}
	}
	if !f.anchored {
		return // the tree is not known
	}
	before := &f.group.before
	switch root, size := before.Root(), k.checkpoint.Size; {
	case f.header != nil && k.checkpoint.Origin != f.header.Origin:
		say(Rollback, "the log says that witnesses have cosigned a checkpoint of its own, but that is of the log %q", k.checkpoint.Origin)
	case size > before.Size():
		say(Rollback, "the log says that witnesses have cosigned a checkpoint over %d leaves, but it had only %d by then: this is another history of it", size, before.Size())
	case tlog.CheckTree(k.proof, int64(before.Size()), root, int64(size), k.checkpoint.Root) != nil:
		say(Rollback, "the log says that witnesses have cosigned a checkpoint over %d leaves, and cannot show that it extends that: this is another history of it", size)
	default:
		for _, v := range k.cosignatures {
			if f.checkCosignatureTime(&v, index, id) {
				f.c.dateCosignature(&v)
				f.group.cosignatures = addCosignature(f.group.cosignatures, v)
			}
		}
	}
}

// checkCosignatureTime looks at the time of a cosignature, which is what the witness says. One that
// cannot be is told of, and does not count as a time; nor does the cosignature count if its
// key has bounds in time that the writer's clock has passed.
func (f *follower) checkCosignatureTime(v *cosignature, index uint64, id string) bool {
	w := f.c.o.Witnesses[v.witness]
	kind, why := f.c.objectionToTime(v.time, f.commit.latest.Add(-maxClockLag))
	if kind == "" {
		return true
	}
	v.time = time.Time{}
	say := func(kind Kind, why string) {
		if name := string(kind) + " " + w.String(); !slices.Contains(f.objected, name) { // once for each segment
			f.objected = append(f.objected, name)
			f.add(newFinding(kind, Warning, place{index: &index, eventID: id}, "a cosignature of the witness %s %s", w.Name(), why))
		}
	}
	say(kind, why)
	if kind, why := objection(signers.FindWitness(f.c.o.Trust, w), max(v.size, 1)-1, f.commit.latest); kind != "" {
		say(kind, "does not count: "+why)
		return false
	}
	return true
}
