// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/internal/kept"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// maxTrees bounds the trees that a log is compared with: each costs a look at every
// leaf.
const maxTrees = 64

// checkCopies says how the logs of one origin stand to each other.
func (c *checker) checkCopies(ctx context.Context) error {
	for _, origin := range slices.Sorted(maps.Keys(c.endings)) {
		if all := c.endings[origin]; len(all) > 1 {
			if err := c.compare(ctx, origin, all); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare says whether the largest log of an origin extends all others.
func (c *checker) compare(ctx context.Context, origin string, all []ending) error {
	slices.SortStableFunc(all, func(a, b ending) int { return cmp.Compare(b.size, a.size) })
	largest, others := all[0], all[1:]
	var trees []*kept.Tree
	treeOf := func(e ending) int {
		return slices.IndexFunc(trees, func(t *kept.Tree) bool { return t.Size == e.size && t.Root == e.root })
	}
	for _, e := range others {
		if e.size > 0 && len(trees) < maxTrees && treeOf(e) < 0 {
			trees = append(trees, &kept.Tree{Checkpoint: signing.Checkpoint{Origin: origin, Size: e.size, Root: e.root}})
		}
	}
	compared := false
	if len(trees) > 0 {
		sub, err := fs.Sub(c.fsys, largest.path)
		if err != nil {
			return err
		}
		o := c.o
		o.Trees = trees
		// What was kept elsewhere has been held against each log.
		o.Checkpoints, o.Receipts, o.AsOf, o.RequireCheckpoint = nil, nil, nil, false
		_, err = verify.Log(ctx, sub, o)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		compared = err == nil // what keeps it from being checked has been said
	}
	for _, e := range others {
		one := Finding{Kind: LogCopied, Severity: verify.Warning, Path: e.path}
		i := treeOf(e)
		if !compared || i < 0 {
			c.sum.Unread++
			one.Message = fmt.Sprintf("it is called %q like the log in %s, with which it could not be compared: a log has one directory", origin, largest.path)
			c.add(one)
			continue
		}
		switch trees[i].Relation() {
		case kept.Extends:
			one.Message = fmt.Sprintf("it holds the log %q up to leaf %d, as %s does: keep copies elsewhere, so that a log has one directory", origin, e.size, largest.path)
		case kept.Deleted:
			c.sum.Unread++
			one.Message = fmt.Sprintf("it is called %q like the log in %s, of which retention has deleted the first %d leaves: they could not be compared", origin, largest.path, e.size)
		case kept.Diverges:
			one.Kind, one.Severity = LogForked, verify.Tampering
			one.Message = fmt.Sprintf("it holds another history of the log %q than %s: one was made to be shown in place of the other, or two collectors have been given one origin", origin, largest.path)
		default:
			c.sum.Unread++
			one.Message = fmt.Sprintf("it is called %q like the log in %s, which is not intact up to leaf %d: they could not be compared", origin, largest.path, e.size)
		}
		c.add(one)
	}
	return nil
}

// checkSiblings checks that the partitions of one directory are of one exporter: those of
// another may have the same names.
func (c *checker) checkSiblings() {
	for _, parent := range slices.Sorted(maps.Keys(c.partitions)) {
		var first *partition
		var exporter string
		for _, p := range c.partitions[parent] {
			root, fits := strings.CutSuffix(p.origin, "/"+path.Base(p.path))
			switch {
			case !fits: // which has been found
			case first == nil:
				first, exporter = &p, root
			case root != exporter:
				c.add(Finding{Kind: verify.WrongDirectory, Severity: verify.Tampering, Path: p.path,
					Message: fmt.Sprintf("it is the partition %q, next to %q in %s: one of the two belongs elsewhere", p.origin, first.origin, first.path)})
			}
		}
	}
}
