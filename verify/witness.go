// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Witnessed is how far a witness vouches for a log.
type Witnessed struct {
	Name string `json:"name"`
	// Size is that of the newest tree of the log that the witness has cosigned, as far
	// as the log and the checkpoints kept show; 0 if it has cosigned none.
	Size uint64 `json:"size"`
	// Time is when it did, by the witness's clock; nil if that time cannot be.
	Time *time.Time `json:"time"`
}

// claim is what an event `witnessed` says: that a checkpoint of the log has been
// cosigned. Cosignatures are checked with the event, whether the checkpoint is one of
// this log once the tree before it is known.
type claim struct {
	bad        string // why the event is malformed
	checkpoint signing.Checkpoint
	proof      tlog.TreeProof
	vouches    []cosignature
	forged     []string // what is wrong with cosignatures of witnesses that were given
	refused    []refusal
}

// refusal is why a cosignature of a witness that was given does not count.
type refusal struct {
	witness int // in Options.Witnesses
	kind    Kind
	why     string
}

// cosignature is a cosignature of a witness that was given.
type cosignature struct {
	witness int // in Options.Witnesses
	size    uint64
	time    time.Time
	// then is the size of the largest tree that the witness had cosigned by
	// Options.CompleteFrom, if that is a time.
	then uint64
}

// claimIn returns the claim in what the log says of itself on a line, or nil.
func (c *checker) claimIn(log []byte) *claim {
	if !logevent.Witnessed.MayBeOn(log) {
		return nil
	}
	said, err := logevent.Parse(log)
	switch {
	case said.Action != logevent.Witnessed:
		return nil
	case err != nil:
		return &claim{bad: err.Error()}
	}
	k := &claim{}
	checkpoint, err := signing.ParseCheckpoint([]byte(said.Checkpoint))
	switch {
	case err != nil:
		k.bad = err.Error()
		return k
	case checkpoint.Size != said.Size || said.Size == 0:
		k.bad = fmt.Sprintf("the checkpoint is over %d leaves, not %d", checkpoint.Size, said.Size)
		return k
	}
	k.vouches, k.forged, k.refused = c.cosignaturesIn(checkpoint)
	for _, h := range said.Proof {
		k.proof = append(k.proof, tlog.Hash(h))
	}
	checkpoint.Note = nil // it is large, and not needed any more
	k.checkpoint = checkpoint
	return k
}

// cosignaturesIn returns the cosignatures on a checkpoint of the witnesses that were given,
// what is wrong with others that bear their names, and those that a witness's key may not
// have made.
func (c *checker) cosignaturesIn(checkpoint signing.Checkpoint) (good []cosignature, forged []string, refused []refusal) {
	for i, w := range c.o.Witnesses {
		made, err := w.Cosignature(checkpoint.Note)
		switch {
		case errors.Is(err, witness.ErrNoCosignature):
			continue
		case err != nil:
			forged = append(forged, err.Error())
			continue
		}
		kind, why := objection(c.o.Trust.FindWitness(w), max(checkpoint.Size, 1)-1, made.Time)
		if kind != "" {
			refused = append(refused, refusal{i, kind, "a cosignature does not count: " + why})
			continue
		}
		good = append(good, cosignature{witness: i, size: checkpoint.Size, time: made.Time})
	}
	return good, forged, refused
}

// claim takes in a claim. It counts once a signed checkpoint covers the event.
func (f *follower) claim(k *claim, index uint64, id string) {
	say := func(kind Kind, format string, args ...any) {
		f.add(Finding{Kind: kind, Severity: Tampering, Index: &index, EventID: id, Message: fmt.Sprintf(format, args...)})
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
			f.add(Finding{Kind: r.kind, Severity: Warning, Index: &index, EventID: id, Message: r.why})
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
	case tlog.CheckTree(k.proof, int64(before.Size()), tlog.Hash(root), int64(size), k.checkpoint.Root) != nil:
		say(Rollback, "the log says that witnesses have cosigned a checkpoint over %d leaves, and cannot show that it extends that: this is another history of it", size)
	default:
		for _, v := range k.vouches {
			if f.checkCosignatureTime(&v, index, id) {
				f.c.dateCosignature(&v)
				f.group.vouches = addCosignature(f.group.vouches, v)
			}
		}
	}
}

// maxBehind is how far a witness's clock may be behind the writer's.
const maxBehind = 24 * time.Hour

// checkCosignatureTime looks at the time of a cosignature, which is what the witness says. One that
// cannot be is told of, and does not count as a time; nor does the cosignature count if its
// key has bounds in time that the writer's clock has passed.
func (f *follower) checkCosignatureTime(v *cosignature, index uint64, id string) bool {
	w := f.c.o.Witnesses[v.witness]
	kind, why := f.c.objectionToTime(v.time, f.commit.at.Add(-maxBehind))
	if kind == "" {
		return true
	}
	v.time = time.Time{}
	say := func(kind Kind, why string) {
		if name := string(kind) + " " + w.String(); !slices.Contains(f.objected, name) { // once for each segment
			f.objected = append(f.objected, name)
			f.add(Finding{Kind: kind, Severity: Warning, Index: &index, EventID: id, Message: fmt.Sprintf("a cosignature of the witness %s %s", w.Name(), why)})
		}
	}
	say(kind, why)
	if kind, why := objection(f.c.o.Trust.FindWitness(w), max(v.size, 1)-1, f.commit.at); kind != "" {
		say(kind, "does not count: "+why)
		return false
	}
	return true
}

// objectionToTime says what is wrong with the time of a cosignature that was made after another
// time.
func (c *checker) objectionToTime(at, after time.Time) (Kind, string) {
	switch {
	case at.After(c.now.Add(maxAhead)):
		return kindTimeInFuture, fmt.Sprintf("says that it is of %s, which is ahead of the clock here: its time does not count", at.Format(time.RFC3339))
	case at.Before(after):
		return kindTimeWentBack, fmt.Sprintf("says that it is of %s, long before what it covers: its time does not count", at.Format(time.RFC3339))
	default:
		return "", ""
	}
}

// dateCosignature notes whether a cosignature that counts was made by the time from which on the
// log is to be complete. A witness cuts its time to seconds.
func (c *checker) dateCosignature(v *cosignature) {
	if from := c.o.CompleteFrom; from != nil && !from.ByIndex && !v.time.IsZero() && !v.time.Add(time.Second).After(from.Time) {
		v.then = v.size
	}
}

// addCosignature keeps the newest cosignature of each witness.
func addCosignature(list []cosignature, v cosignature) []cosignature {
	i := slices.IndexFunc(list, func(old cosignature) bool { return old.witness == v.witness })
	if i < 0 {
		return append(list, v)
	}
	then := max(v.then, list[i].then)
	if cmp.Or(cmp.Compare(v.size, list[i].size), v.time.Compare(list[i].time)) > 0 {
		list[i] = v
	}
	list[i].then = then
	return list
}

// checkWitnesses says how far the witnesses vouch for the log. That one does not is no
// accusation: the caller may have named a witness that the log never had. What the log says of
// a witness and the witness has not signed is found where it says so.
func (c *checker) checkWitnesses(j *joined, results []*result) {
	var vouches []cosignature
	var begun time.Time // no cosignature of this log is older
	for _, r := range results {
		for _, v := range r.vouches {
			vouches = addCosignature(vouches, v)
		}
		if r.header != nil && begun.IsZero() {
			begun = r.header.Created.Add(-maxBehind)
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
				c.log.add(c.o.MaxFindings, Finding{Kind: kind, Severity: Warning, Segment: k.file, Message: fmt.Sprintf("%s: the cosignature of the witness %s %s", k.title(), c.o.Witnesses[v.witness].Name(), why)})
				// The log was begun before it was signed.
				if kind, why := objection(c.o.Trust.FindWitness(c.o.Witnesses[v.witness]), max(v.size, 1)-1, begun.Add(maxBehind)); kind != "" {
					refused = append(refused, refusal{v.witness, kind, "a cosignature does not count: " + why})
					continue
				}
			}
			c.dateCosignature(&v)
			vouches = addCosignature(vouches, v)
		}
		severity := Unchecked // what the caller has handed over is no accusation
		if k.file != "" {
			severity = Tampering
		}
		for _, why := range forged {
			c.log.add(c.o.MaxFindings, Finding{Kind: CosignatureInvalid, Severity: severity, Segment: k.file, Message: k.title() + ": " + why})
		}
		for _, r := range refused {
			c.log.add(c.o.MaxFindings, Finding{Kind: r.kind, Severity: Warning, Segment: k.file, Message: k.title() + ": " + r.why})
		}
	}
	c.checkContradictions(j, results, vouches)
	if len(c.o.Witnesses) == 0 {
		return
	}
	newest, then := map[string]uint64{}, map[string]uint64{} // by name: a witness counts once, whatever keys it has
	for i, w := range c.o.Witnesses {
		one := Witnessed{Name: w.Name()}
		if n := slices.IndexFunc(vouches, func(v cosignature) bool { return v.witness == i }); n >= 0 {
			one.Size = vouches[n].size
			if at := vouches[n].time; !at.IsZero() {
				one.Time = &at
			}
			newest[one.Name] = max(newest[one.Name], one.Size)
			then[one.Name] = max(then[one.Name], vouches[n].then)
		}
		j.report.Witnesses = append(j.report.Witnesses, one)
	}
	sizes, given := slices.Sorted(maps.Values(newest)), signers.CountWitnesses(c.o.Witnesses)
	switch quorum := c.o.Quorum; {
	case len(sizes) < quorum:
		c.log.add(c.o.MaxFindings, Finding{Kind: NotWitnessed, Severity: Unchecked,
			Message: fmt.Sprintf("%d of the %d witnesses given have cosigned a checkpoint of this log, but %d are needed. The log may never have had the others: ask who runs them for the newest checkpoint of the log that they have seen, and hand it over (--checkpoint), or name its own", len(sizes), given, quorum)})
	default:
		j.witnessedThen = slices.Sorted(maps.Values(then))[len(sizes)-quorum]
		// A witness that vouches for a tree vouches for all smaller ones.
		size := sizes[len(sizes)-quorum]
		j.report.WitnessedSize = size
		if size < j.report.TreeSize {
			c.log.add(c.o.MaxFindings, Finding{Kind: NotWitnessed, Severity: Info, Index: &size,
				Message: fmt.Sprintf("from leaf %d on, %d of the %d witnesses given do not vouch for the log yet", size, quorum, given)})
		}
	}
}

// checkContradictions tells of witnesses that have cosigned another history, as the log
// itself says. No signature of theirs shows it; but where the witness is trusted, so is
// what it says to the log, unless it has cosigned the log since.
func (c *checker) checkContradictions(j *joined, results []*result, vouches []cosignature) {
	for i, r := range results {
		for _, e := range r.own {
			if e.said.Action != logevent.Contradicted {
				continue
			}
			one := Finding{Kind: Rollback, Severity: Warning, Line: e.line, Index: &e.index, EventID: e.id}
			one.Message = fmt.Sprintf("the witness %q has cosigned a tree of %d leaves that this log does not extend (%s), as the log itself says", e.said.Witness, e.said.Size, e.said.Reason)
			given, since := false, false
			for n, w := range c.o.Witnesses {
				if w.Name() == e.said.Witness {
					given = true
					since = since || slices.ContainsFunc(vouches, func(v cosignature) bool { return v.witness == n && v.size > e.index })
				}
			}
			switch {
			case since:
				one.Message += "; it has cosigned this log since, that event included"
			case given:
				one.Severity = Tampering
			}
			j.add(i, r, one)
		}
	}
}
