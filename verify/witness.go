// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"maps"
	"slices"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// checkWitnesses says how far the witnesses have cosigned the log. That one does not is no
// accusation: the caller may have named a witness that the log never had. What the log says of
// a witness and the witness has not signed is found where it says so.
func (c *checker) checkWitnesses(j *joined, results []*result) {
	var all []cosignature
	var begun time.Time // no cosignature of this log is older
	for _, r := range results {
		for _, v := range r.cosignatures {
			all = addCosignature(all, v)
		}
		if r.header != nil && begun.IsZero() {
			begun = r.header.Created.Add(-maxClockLag)
		}
	}
	for _, k := range c.kept {
		if k.err != nil || !k.Same() {
			continue
		}
		k.Note = k.note
		good, forged, refused := c.cosignaturesIn(k.Checkpoint)
		for _, v := range good {
			if kind, why := c.objectionToTime(v.time, begun); kind != "" {
				v.time = time.Time{}
				c.add(newFinding(kind, Warning, place{segment: k.file}, "%s: the cosignature of the witness %s %s", k.title(), c.o.Witnesses[v.witness].Name(), why))
				// The log was begun before it was signed.
				if kind, why := objection(signers.FindWitness(c.o.Trust, c.o.Witnesses[v.witness]), max(v.size, 1)-1, begun.Add(maxClockLag)); kind != "" {
					refused = append(refused, refusal{v.witness, kind, "a cosignature does not count: " + why})
					continue
				}
			}
			c.dateCosignature(&v)
			all = addCosignature(all, v)
		}
		severity := Unchecked // what the caller has handed over is no accusation
		if k.file != "" {
			severity = Tampering
		}
		for _, why := range forged {
			c.add(newFinding(CosignatureInvalid, severity, place{segment: k.file}, "%s: %s", k.title(), why))
		}
		for _, r := range refused {
			c.add(newFinding(r.kind, Warning, place{segment: k.file}, "%s: %s", k.title(), r.why))
		}
	}
	c.checkContradictions(j, results, all)
	if len(c.o.Witnesses) == 0 {
		return
	}
	newest, then := map[string]uint64{}, map[string]uint64{} // by name: a witness counts once, whatever keys it has
	for i, w := range c.o.Witnesses {
		one := Witnessed{Name: w.Name()}
		if n := slices.IndexFunc(all, func(v cosignature) bool { return v.witness == i }); n >= 0 {
			one.Size = all[n].size
			if at := all[n].time; !at.IsZero() {
				one.Time = &at
			}
			newest[one.Name] = max(newest[one.Name], one.Size)
			then[one.Name] = max(then[one.Name], all[n].then)
		}
		j.report.Witnesses = append(j.report.Witnesses, one)
	}
	sizes, witnesses := slices.Sorted(maps.Values(newest)), signers.CountWitnesses(c.o.Witnesses)
	switch quorum := c.o.Quorum; {
	case len(sizes) < quorum:
		c.add(newFinding(NotWitnessed, Unchecked, place{},
			"%d of the %d witnesses given have cosigned a checkpoint of this log, but %d are needed. The log may never have had the others: ask who runs them for the newest checkpoint of the log that they have seen, and hand it over (--checkpoint), or name its own", len(sizes), witnesses, quorum))
	default:
		j.witnessedThen = slices.Sorted(maps.Values(then))[len(sizes)-quorum]
		// A witness that has cosigned a tree has seen that it extends all smaller ones.
		size := sizes[len(sizes)-quorum]
		j.report.WitnessedSize = size
		if size < j.report.TreeSize {
			c.add(newFinding(NotWitnessed, Info, place{index: &size},
				"from leaf %d on, %d of the %d witnesses given do not vouch for the log yet", size, quorum, witnesses))
		}
	}
}

// checkContradictions tells of witnesses that have cosigned another history, as the log
// itself says. No signature of theirs shows it; but where the witness is trusted, so is
// what it says to the log, unless it has cosigned the log since.
func (c *checker) checkContradictions(j *joined, results []*result, cosigned []cosignature) {
	for i, r := range results {
		for _, e := range r.logEvents {
			if e.event.Action != logevent.Contradicted {
				continue
			}
			trusted, since := false, false
			for n, w := range c.o.Witnesses {
				if w.Name() == e.event.Witness {
					trusted = true
					since = since || slices.ContainsFunc(cosigned, func(v cosignature) bool { return v.witness == n && v.size > e.index })
				}
			}
			severity, more := Warning, ""
			switch {
			case since:
				more = "; it has cosigned this log since, that event included"
			case trusted:
				severity = Tampering
			}
			j.add(i, r, newFinding(Rollback, severity, place{line: e.line, index: &e.index, eventID: e.id},
				"the witness %q has cosigned a tree of %d leaves that this log does not extend (%s), as the log itself says%s", e.event.Witness, e.event.Size, e.event.Reason, more))
		}
	}
}
