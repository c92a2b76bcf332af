// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"io"
	"sync"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// keptCheckpoint is a checkpoint that the log must extend.
type keptCheckpoint struct {
	signing.Checkpoint
	name string // how findings call it
	file string // in the log's directory, or ""
	err  error  // why it cannot be used

	mu    sync.Mutex
	roots []merkle.Hash // of trees of its size that were met
}

// keep takes in the checkpoints that the caller kept, and the one in the directory.
func (c *checker) keep(inDirectory bool) {
	for i, note := range c.o.Checkpoints {
		c.kept = append(c.kept, c.openKept(note, fmt.Sprintf("kept checkpoint %d", i+1), ""))
	}
	if !inDirectory {
		return
	}
	f, err := segment.OpenRegular(c.fsys, segment.CheckpointName)
	if err == nil {
		var note []byte
		note, err = io.ReadAll(io.LimitReader(f, 64<<10))
		f.Close()
		if err == nil {
			c.kept = append(c.kept, c.openKept(note, "the file checkpoint", segment.CheckpointName))
			return
		}
	}
	c.kept = append(c.kept, &keptCheckpoint{name: "the file checkpoint", file: segment.CheckpointName, err: err})
}

func (c *checker) openKept(note []byte, name, file string) *keptCheckpoint {
	k := &keptCheckpoint{name: name, file: file}
	var parsed signing.Checkpoint
	if parsed, k.err = signing.ParseCheckpoint(note); k.err == nil {
		k.Checkpoint, _, k.err = signing.OpenCheckpoint(note, parsed.Origin, c.keys)
	}
	return k
}

// compareKept notes the root of the present tree for checkpoints of its size.
func (f *follower) compareKept() {
	for _, k := range f.kept {
		if k.err == nil && k.Size == f.tree.Size() {
			k.mu.Lock()
			k.roots = append(k.roots, f.tree.Root())
			k.mu.Unlock()
		}
	}
}

// judgeKept says what became of the kept checkpoints, once the whole log is known.
func (c *checker) judgeKept(first uint64) {
	r := c.report
	say := func(k *keptCheckpoint, kind Kind, severity Severity, format string, args ...any) {
		c.log = append(c.log, Finding{Kind: kind, Severity: severity, Segment: k.file, Message: fmt.Sprintf(k.name+" "+format, args...)})
	}
	for _, k := range c.kept {
		switch {
		case k.err != nil && k.file != "":
			// A convenience copy that nothing depends on.
			say(k, CheckpointUnchecked, Warning, "cannot be used: %v", k.err)
		case k.err != nil:
			say(k, Rollback, Tampering, "cannot be used: %v", k.err)
		case k.Origin != r.Origin:
			say(k, Rollback, Tampering, "is of the log %q, not of %q", k.Origin, r.Origin)
		case k.Size > r.TreeSize:
			say(k, Rollback, Tampering, "covers %d leaves, but the log has only %d: its end is missing", k.Size, r.TreeSize)
		case len(k.roots) == 0 && k.Size < first:
			say(k, CheckpointUnchecked, Warning, "covers %d leaves, and the segments up to there have been pruned", k.Size)
		case len(k.roots) == 0:
			say(k, CheckpointUnchecked, Warning, "covers %d leaves; the log is not intact up to there", k.Size)
		}
		for _, root := range k.roots {
			if root != merkle.Hash(k.Root) {
				say(k, Rollback, Tampering, "covers %d leaves with another root hash: this is another history of the log", k.Size)
				break
			}
		}
	}
}
