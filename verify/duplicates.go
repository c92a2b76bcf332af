// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/foreign"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/visible"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// maxRepeated bounds the ids that are looked up once they are known to occur more than once.
const maxRepeated = 1000

// checkDuplicates reports events that have the same id. Hashes of the ids, taken while
// the segments were read, tell whether there are any; only then is the log read
// again to say where.
func (c *checker) checkDuplicates(ctx context.Context, results []*result, j *joined) error {
	repeated, all := repeatedHashes(results)
	if !all {
		c.add(newFinding(kindDuplicatesUnchecked, Info, place{}, "more than %d event ids occur more than once; the others are not named", maxRepeated))
	}
	if n := len(results); n > 0 && j.report.TreeSize > c.base+maxCompared {
		c.add(newFinding(kindDuplicatesUnchecked, Info, place{}, "only the ids of the events among the first %d leaves were compared with one another", maxCompared))
	}
	if len(repeated) == 0 {
		return nil
	}
	for i, r := range results {
		if err := c.findRepeated(ctx, r, repeated, func(one Finding) { j.add(i, r, one) }); err != nil {
			return err
		}
	}
	return nil
}

// repeatedHashes returns the hashes that occur more than once, up to maxRepeated,
// and whether those are all.
func repeatedHashes(results []*result) (repeated map[uint64]map[[sha256.Size]byte]string, all bool) {
	var heads sortedRuns
	for _, r := range results {
		if len(r.ids) > 0 {
			heads = append(heads, r.ids)
		}
	}
	heap.Init(&heads)
	repeated = map[uint64]map[[sha256.Size]byte]string{}
	for last, first := uint64(0), true; len(heads) > 0; first = false {
		h := heads[0][0]
		if h == last && !first && repeated[h] == nil {
			if len(repeated) == maxRepeated {
				return repeated, false
			}
			repeated[h] = map[[sha256.Size]byte]string{}
		}
		last = h
		if heads[0] = heads[0][1:]; len(heads[0]) == 0 {
			heap.Pop(&heads)
		} else {
			heap.Fix(&heads, 0)
		}
	}
	return repeated, true
}

// sortedRuns is a heap of sorted runs, by their first elements.
type sortedRuns [][]uint64

func (s sortedRuns) Len() int { return len(s) }

func (s sortedRuns) Less(i, j int) bool { return s[i][0] < s[j][0] }

func (s sortedRuns) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

func (s *sortedRuns) Push(x any) { *s = append(*s, x.([]uint64)) }

func (s *sortedRuns) Pop() any {
	last := len(*s) - 1
	x := (*s)[last]
	*s = (*s)[:last]
	return x
}

// findRepeated reads a segment again and reports the events with repeated ids, but
// for the first with each.
func (c *checker) findRepeated(ctx context.Context, res *result, repeated map[uint64]map[[sha256.Size]byte]string, add func(Finding)) error {
	r, err := foreign.Open(c.fsys, res.file.Name, res.file.Size)
	if errors.Is(err, fs.ErrNotExist) || logfile.Malformed(err) {
		return nil // compressed or pruned meanwhile, or reported
	}
	if err != nil {
		return err
	}
	defer r.Close()
	var sum eventjson.Summary
	index := res.first
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := r.Next()
		if err != nil {
			return nil // the end, or reported
		}
		kind := segment.KindOf(line)
		if kind == segline.KindCheckpoint {
			continue
		}
		eventIndex := index
		index++
		if kind != segline.KindEvent {
			continue
		}
		parsed, err := segment.ParseEvent(nil, line)
		if err != nil || eventjson.Scan(parsed.Canonical, &sum) != nil {
			continue
		}
		places, ok := repeated[maphash.Bytes(idSeed, sum.ID)]
		if !ok {
			continue
		}
		id := sha256.Sum256(sum.ID)
		first, again := places[id]
		if !again {
			places[id] = fmt.Sprintf("line %d of %s", r.Line(), res.file.Name)
			continue
		}
		add(newFinding(kindDuplicateEventID, Warning, place{line: r.Line(), index: &eventIndex, eventID: visible.Clip(sum.ID, maxID)}, "the event's id is also that of the event on %s", first))
	}
}
