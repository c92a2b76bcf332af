// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

const (
	// maxCompared bounds the event ids that are compared, at 8 bytes each.
	maxCompared = 4 << 20
	// maxRepeated bounds the ids that are looked up once they are known to occur
	// twice.
	maxRepeated = 1000
)

// duplicates reports events that have the same id. Hashes of the ids, taken while
// the segments were read, tell whether there are any; only then is the log read
// again to say where.
func (c *checker) duplicates(ctx context.Context, files []segment.File, results []*result) error {
	n := 0
	for _, r := range results {
		n += len(r.ids)
	}
	all := make([]uint64, 0, min(n, maxCompared))
	for _, r := range results {
		all = append(all, r.ids[:min(len(r.ids), maxCompared-len(all))]...)
		r.ids = nil
	}
	if n > maxCompared {
		c.log = append(c.log, Finding{Kind: DuplicatesUnchecked, Severity: Info, Message: fmt.Sprintf("only the ids of the first %d events were compared with one another", maxCompared)})
	}
	slices.Sort(all)
	repeated := map[uint64]map[string]string{}
	for i := 1; i < len(all) && len(repeated) < maxRepeated; i++ {
		if all[i] == all[i-1] {
			repeated[all[i]] = map[string]string{}
		}
	}
	if len(repeated) == 0 {
		return nil
	}
	for i, f := range files {
		if err := c.findRepeated(ctx, f, results[i], repeated); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) findRepeated(ctx context.Context, f segment.File, res *result, repeated map[uint64]map[string]string) error {
	r, err := segment.Open(c.fsys, f.Name, f.Size)
	if err != nil {
		return nil // said already, or compressed meanwhile
	}
	defer r.Close()
	var sum event.Summary
	index := f.Parsed.FirstIndex
	for {
		line, err := r.Next()
		if err != nil {
			return ctx.Err()
		}
		kind := segment.KindOf(line)
		if kind != segment.KindCheckpoint {
			index++
		}
		if kind != segment.KindEvent {
			continue
		}
		parsed, err := segment.ParseEvent(line)
		if err != nil || event.Scan(parsed.Canonical, &sum) != nil {
			continue
		}
		places, ok := repeated[maphash.Bytes(idSeed, sum.ID)]
		if !ok {
			continue
		}
		id := string(sum.ID)
		if first, again := places[id]; again {
			at := index - 1
			res.find(c.o.MaxFindings, Finding{Kind: DuplicateEventID, Severity: Warning, Line: r.Line(), Index: &at, EventID: id, Message: "the event's id is also that of the event at " + first})
			continue
		}
		places[id] = fmt.Sprintf("%s line %d", f.Name, r.Line())
	}
}
