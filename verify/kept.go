// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/kept"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/promised"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// keptCheckpoint is a checkpoint that the log must extend.
type keptCheckpoint struct {
	*kept.Tree
	note []byte
	name string // how findings call it; see title
	file string // in the log's directory, or ""
	err  error  // why it cannot be used
	kind Kind   // of the finding about that, or ""
	// signers are the keys that have signed it, of those that count.
	signers []*signing.PublicKey
	// opened says that its signature has been checked.
	opened bool
	// promise is the receipts that hold it; nil if it was kept by itself.
	promise *promised.Checkpoint
}

// addGiven adds the checkpoints that the caller has kept, by themselves and in receipts.
func (c *checker) addGiven() error {
	for _, k := range c.o.Checkpoints {
		if _, err := kept.Parse(k.Name, k.Note); err != nil {
			return err
		}
		c.kept = append(c.kept, &keptCheckpoint{Tree: &kept.Tree{}, note: k.Note, name: kept.Title(k.Name)})
	}
	for _, t := range c.o.Trees {
		c.kept = append(c.kept, &keptCheckpoint{Tree: t, name: "another log of the origin", opened: true})
	}
	c.kept = append(c.kept, c.o.keptByReceipts()...)
	c.given = len(c.kept)
	return nil
}

// addCheckpointOnDisk takes in the log's own copy of its newest checkpoint. This is done
// before the segments are listed: the writer replaces the file once what it covers
// is in a segment.
func (c *checker) addCheckpointOnDisk() error {
	note, err := logfile.Checkpoint(c.fsys)
	if errors.Is(err, fs.ErrNotExist) {
		c.noCheckpointOnDisk = true
		return nil
	}
	if err != nil && !logfile.Malformed(err) {
		return err
	}
	k := &keptCheckpoint{Tree: &kept.Tree{}, name: "the file checkpoint", file: sidefile.CheckpointName, note: note, err: err}
	c.kept = append(c.kept, k)
	return nil
}

// openKept checks the signatures of the kept checkpoints, with the keys that are trusted,
// the ones that sign the log's segments, and those that they succeeded. A key that signs
// checkpoints only is as good as others here: what it has signed is held against the log, and
// says nothing for it.
func (c *checker) openKept(authorities []*authority) {
	keys := signers.Once(slices.Concat(c.keys, c.checkpointKeys))
	seen := map[*signing.PublicKey]bool{} // segments of the same keys share them
	for _, a := range authorities {
		for _, k := range a.keys {
			if a.standing > standingUntrusted && !seen[k] {
				seen[k] = true
				keys = append(keys, k)
			}
		}
	}
	keys = c.changes.connected(keys)
	for _, k := range c.kept {
		if k.err != nil || k.opened {
			continue
		}
		if k.Checkpoint, k.err = signing.ParseCheckpoint(k.note); k.err == nil {
			if k.Checkpoint, k.signers, k.err = signing.OpenCheckpoint(k.note, k.Origin, keys); k.err == nil {
				k.kind, k.err = c.o.checkKept(k.Size, k.signers)
			}
		}
		k.opened = true
	}
	c.keptOf = map[uint64][]*keptCheckpoint{}
	for _, k := range c.kept {
		if k.err == nil {
			c.keptOf[k.Size] = append(c.keptOf[k.Size], k)
		}
	}
}

// checkKept says why none of the keys that signed a kept checkpoint may have done so.
func (o *Options) checkKept(size uint64, by []*signing.PublicKey) (Kind, error) {
	switch revoked, err := o.trusted().CheckKept(size, by); {
	case err == nil:
		return "", nil
	case revoked:
		return KeyRevoked, err
	default:
		return KeyNotValid, err
	}
}

// metRoot is a tree that a kept checkpoint speaks of.
type metRoot struct {
	kept *keptCheckpoint
	root merkle.Hash
}

// noteCheckpointRoots notes the present tree if a kept checkpoint has its size. It counts once a
// signed checkpoint shows that the tree is the log's.
func (f *follower) noteCheckpointRoots() {
	for _, k := range f.c.keptOf[f.tree.Size()] {
		f.group.met = append(f.group.met, metRoot{k, f.tree.Root()})
	}
}

// noteSignedRoot compares the tree of a signed checkpoint to which the lines before it do not
// lead with the kept checkpoints of its size: what is damaged has been found, and this is what
// the log says all the same.
func (f *follower) noteSignedRoot(c signing.Checkpoint) {
	for _, k := range f.c.keptOf[c.Size] {
		k.Compare(merkle.Hash(c.Root))
	}
}

// title is what findings call a kept checkpoint.
func (k *keptCheckpoint) title() string {
	if k.promise != nil {
		return k.promise.String()
	}
	return k.name
}

// cosigned reports whether a witness that was given has cosigned a checkpoint.
func (c *checker) cosigned(k *keptCheckpoint) bool {
	good, _, _ := c.cosignaturesIn(k.Checkpoint)
	return len(good) > 0
}

// checkKeptAll says what became of the kept checkpoints, once the whole log is known;
// first is the size of the tree before the first segment. What the caller has handed over is
// no accusation by itself.
func (c *checker) checkKeptAll(first uint64, r *Report, results []*result) {
	for _, k := range c.kept {
		unread := unreadUpTo(results, k.Size)
		say := func(kind Kind, severity Severity, format string, args ...any) {
			if k.promise != nil && kind == Rollback {
				kind = ReceiptUnfulfilled
			}
			c.log.add(c.o.MaxFindings, Finding{Kind: kind, Severity: severity, Segment: k.file, Message: k.title() + " " + fmt.Sprintf(format, args...)})
		}
		unchecked := func(kind Kind, format string, args ...any) {
			if k.file != "" {
				say(cmp.Or(kind, Rollback), Tampering, format, args...) // the log's own word
				return
			}
			say(cmp.Or(kind, CheckpointUnchecked), Unchecked, format, args...)
		}
		switch {
		case k.err != nil && k.kind != "":
			unchecked(k.kind, "does not count: %v", k.err)
		case k.err != nil:
			unchecked("", "says nothing of this log: no key that is trusted for it has signed it as it is (%v)", k.err)
		case r.Origin != "" && k.Origin != r.Origin:
			unchecked("", "is of the log %q, not of %q", k.Origin, r.Origin)
		case k.Other():
			say(Rollback, Tampering, "covers %d leaves with another root hash: this is another history of the log", k.Size)
		case k.Same():
			if k.file == "" {
				r.KeptSize = max(r.KeptSize, k.Size)
			}
		case k.Size > r.TreeSize && c.o.AsOf != nil && k.Size > *c.o.AsOf && k.file == "":
			say(CheckpointUnchecked, Unchecked, "covers %d leaves, more than the log had as of the time that it is checked for", k.Size)
		case k.Size > r.TreeSize && unread != "":
			say(Rollback, Unchecked, "covers %d leaves, and %d could be read: %s may hold the others. %s", k.Size, r.TreeSize, unread, compression.HowToDecompress(unread))
		case k.Size > r.TreeSize && k.file != "" && r.TreeSize > 0 && !c.cosigned(k):
			say(Rollback, Unchecked, "covers %d leaves, but the log has only %d: its end is missing. %s", k.Size, r.TreeSize, copyAgain)
		case k.Size > r.TreeSize:
			say(Rollback, Tampering, "covers %d leaves, but the log has only %d: its end is missing", k.Size, r.TreeSize)
		case k.Size < first && k.IsDeleted():
			say(CheckpointUnchecked, Unchecked, "covers %d leaves; retention has deleted these, and among what the file %s has kept there is no checkpoint of that size", k.Size, sidefile.PrunedRangesName)
		case k.Size < first:
			say(CheckpointUnchecked, Unchecked, "covers %d leaves; retention has deleted these, and without the file %s, as the log has written it, nothing shows whether the log extends it", k.Size, sidefile.PrunedRangesName)
		default:
			say(CheckpointUnchecked, Unchecked, "covers %d leaves; the log is not intact up to there", k.Size)
		}
	}
}

// checkEnd says how far something kept elsewhere shows the log to have come, and so for the
// log's own copy of its newest checkpoint.
func (c *checker) checkEnd(r *Report, results []*result) {
	for i, k := range c.kept[:len(c.o.Checkpoints)] {
		extended := k.err == nil && k.Origin == r.Origin && k.Same() && !k.Other()
		r.Checkpoints = append(r.Checkpoints, KeptCheckpoint{Name: c.o.Checkpoints[i].Name, Origin: k.Origin, Size: k.Size, Extended: extended})
	}
	r.TornTail = slices.ContainsFunc(results, func(one *result) bool { return one.torn })
	known := max(r.KeptSize, r.WitnessedSize)
	if c.o.RequireCheckpoint && known <= r.PrunedBefore {
		c.say(EndUnchecked, Unchecked, nil, "no kept checkpoint, receipt or quorum of witnesses shows how far the log had come: its newest events may have been cut off. Give a checkpoint that was kept elsewhere")
	}
	if c.o.AsOf != nil && *c.o.AsOf <= r.TreeSize {
		known = max(known, *c.o.AsOf)
	}
	r.EndChecked = known > r.PrunedBefore && readUpTo(results, r.PrunedBefore, known)
	if c.noCheckpointOnDisk && r.TreeSize > 0 {
		c.log.add(c.o.MaxFindings, Finding{Kind: kindCheckpointMissing, Severity: Warning, Segment: sidefile.CheckpointName, Message: "the file is not there, or empty, as in a log that was begun a moment ago, or after a crash; somebody who cuts off the log's end would take it away, too. Hold the log against a checkpoint kept elsewhere"})
	}
}
