// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Where retention has deleted the segments that a kept checkpoint covers, the file of
// pruned ranges leads from one checkpoint to the next. Nobody need have signed it: put
// together, its hashes must give the very tree that the first segment begins with.

// prunedHistory is what that file tells.
type prunedHistory struct {
	// kept are the roots at the sizes of kept checkpoints.
	kept map[uint64]merkle.Hash
	// wrong says why the file is not to be believed, or "".
	wrong string
	line  int
}

// pruned reads the file of pruned ranges up to the tree that the first segment begins
// with.
func (c *checker) pruned(first point) (*prunedHistory, error) {
	h := &prunedHistory{kept: map[uint64]merkle.Hash{}}
	f, err := segment.OpenRegular(c.fsys, segment.PrunedRangesName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		h.wrong = "it is not there"
		return h, nil
	case logdir.Malformed(err):
		h.wrong = err.Error()
		return h, nil
	case err != nil:
		return nil, err
	}
	defer f.Close()
	r := segment.NewReader(f, segment.PrunedRangesName)
	var tree merkle.Frontier
	roots := map[uint64]merkle.Hash{}
	for tree.Size() < first.size {
		line, err := r.Next()
		h.line = r.Line()
		switch {
		case tree.Size() == 0 && (err == io.EOF || errors.Is(err, segment.ErrPartialLine)):
			// A writer that begins the file anew may have been killed before its first line.
			h.wrong = "it is not there"
			return h, nil
		case err == io.EOF, errors.Is(err, segment.ErrPartialLine):
			h.wrong = fmt.Sprintf("it ends at leaf %d, but the first segment begins at leaf %d. %s", tree.Size(), first.size, copyAgain)
			return h, nil
		case logdir.Malformed(err):
			h.wrong = err.Error()
			return h, nil
		case err != nil:
			return nil, err
		}
		one, err := segment.ParsePrunedRange(line)
		if err == nil {
			err = one.Extend(&tree)
		}
		if err != nil {
			h.wrong = err.Error()
			return h, nil
		}
		if len(c.keptOf[tree.Size()]) > 0 {
			roots[tree.Size()] = tree.Root()
		}
	}
	if tree.Size() != first.size || tree.Root() != first.root {
		h.line, h.wrong = 0, fmt.Sprintf("it does not lead to the tree of %d leaves that the first segment begins with", first.size)
		return h, nil
	}
	h.kept = roots
	return h, nil
}

// checkPruned compares the kept checkpoints that end before the first segment with
// the file of pruned ranges, and says what is wrong with that.
func (c *checker) checkPruned(results []*result) error {
	if len(results) == 0 || results[0].start == nil || results[0].first == 0 {
		return nil
	}
	first := results[0].start
	h, err := c.pruned(*first)
	if err != nil {
		return err
	}
	for _, k := range c.kept {
		if k.err != nil || k.Size >= first.size {
			continue
		}
		if root, ok := h.kept[k.Size]; ok {
			metRoot{k, root}.settle()
		} else if h.wrong == "" {
			k.unknown = true
		}
	}
	if h.wrong != "" && h.wrong != "it is not there" {
		c.log.add(c.o.MaxFindings, Finding{Kind: PrunedRangesInvalid, Severity: Tampering, Segment: segment.PrunedRangesName, Line: h.line,
			Message: "the file is not what the log has written: " + h.wrong})
	}
	return nil
}
