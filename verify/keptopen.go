// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/kept"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// addCallersCheckpoints adds the checkpoints that the caller has kept, by themselves and in receipts.
func (c *checker) addCallersCheckpoints() error {
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
	c.fromCaller = len(c.kept)
	return nil
}

// Receipts are the log's promises: it must extend the checkpoint of each, and hold the event
// that each names at its leaf.

// keptByReceipts returns the receipts' checkpoints as such that the log must extend.
func (o *Options) keptByReceipts() (all []*keptCheckpoint) {
	for _, l := range o.Receipts.Promises().Logs() {
		for _, p := range l.Promises {
			all = append(all, &keptCheckpoint{Tree: &kept.Tree{}, note: p.Note, promise: p})
		}
	}
	return all
}

// addCheckpointOnDisk adds the log's own copy of its newest checkpoint. This is done
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
