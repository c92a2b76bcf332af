// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"

	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/pruned"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Where retention has deleted the segments that a kept checkpoint covers, the file of
// pruned ranges leads from one checkpoint to the next. Nobody need have signed it: put
// together, its hashes must give the very tree that the first segment begins with.

// prunedHistory is what that file tells.
type prunedHistory struct {
	// kept are the roots at the sizes of kept checkpoints.
	kept map[uint64]merkle.Hash
	// wrong says why the file does not count, or "".
	wrong string
	line  int
}

// pruned reads the file of pruned ranges up to the tree that the first segment begins
// with.
func (c *checker) pruned(ctx context.Context, first point) (*prunedHistory, error) {
	h := &prunedHistory{kept: map[uint64]merkle.Hash{}}
	roots := map[uint64]merkle.Hash{}
	err := pruned.Read(ctx, c.fsys, first.size, first.root, func(_ sidefile.PrunedRange, after *merkle.Frontier) error {
		if len(c.keptOf[after.Size()]) > 0 {
			roots[after.Size()] = after.Root()
		}
		return nil
	})
	var wrong *logfile.LineError
	switch {
	case err == nil:
		h.kept = roots
	case errors.Is(err, pruned.ErrNone):
		h.wrong = "it is not there"
	case errors.As(err, &wrong):
		h.line, h.wrong = wrong.Line, wrong.Err.Error()
		if errors.Is(err, pruned.ErrIncomplete) {
			h.wrong += ". " + copyAgain
		}
	case logfile.Malformed(err):
		h.wrong = err.Error()
	default:
		return nil, err
	}
	return h, nil
}

// checkPruned compares the kept checkpoints that end before the first segment with
// the file of pruned ranges, and says what is wrong with that.
func (c *checker) checkPruned(ctx context.Context, results []*result) error {
	if len(results) == 0 || results[0].start == nil || results[0].first == 0 {
		return nil
	}
	first := results[0].start
	h, err := c.pruned(ctx, *first)
	if err != nil {
		return err
	}
	for _, k := range c.kept {
		if k.err != nil || k.Size >= first.size {
			continue
		}
		if root, ok := h.kept[k.Size]; ok {
			k.Compare(root)
		} else if h.wrong == "" {
			k.MarkDeleted()
		}
	}
	if h.wrong != "" && h.wrong != "it is not there" {
		c.add(newFinding(PrunedRangesInvalid, Tampering, place{segment: sidefile.PrunedRangesName, line: h.line},
			"the file is not what the log has written: %s", h.wrong))
	}
	return nil
}
