// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"bytes"
	"slices"
	"sync/atomic"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
)

// checkProof checks the proof of the record at hand, for its event to say what came of
// it.
func (w *worker) checkProof() error {
	w.proof = w.checker.Check(w.record)
	w.proofJSON = w.proof.AppendJSON(w.proofJSON[:0])
	w.encoder.SetIngress(w.proofJSON)
	if w.in.opts.RequireProof && w.proof.Status != ingress.Verified {
		return &ingress.RefusedError{Result: w.proof}
	}
	return nil
}

// producer returns whose proof the record at hand bears; empty if it has no good one.
func (w *worker) producer() string {
	if w.checker == nil || w.proof.Status != ingress.Verified {
		return ""
	}
	return w.proof.Producer
}

// producerOf returns whose good proof the record of an event in canonical JSON bears;
// empty if there is none.
func producerOf(canonical []byte) (string, error) {
	if !bytes.Contains(canonical, []byte(`"ingress":`)) { // as in most logs
		return "", nil
	}
	var s eventjson.Summary
	if err := eventjson.Scan(canonical, &s); err != nil {
		return "", err
	}
	return ingress.ProducerOf(s.Ingress)
}

// statuses are those of ingress, in a fixed order.
var statuses = ingress.Statuses()

// proofCounts counts records by what came of their proofs.
type proofCounts [5]atomic.Int64

func (c *proofCounts) count(s ingress.Status) { c[slices.Index(statuses, s)].Add(1) }

// all returns the counts that are not 0.
func (c *proofCounts) all() map[ingress.Status]int64 {
	var all map[ingress.Status]int64
	for i, status := range statuses {
		if n := c[i].Load(); n > 0 {
			if all == nil {
				all = map[ingress.Status]int64{}
			}
			all[status] = n
		}
	}
	return all
}
