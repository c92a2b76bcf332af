// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
)

// refusals are the records of a request that are refused for good while the others are
// written. The first ones are named.
type refusals struct {
	mu     sync.Mutex
	named  []stage.Refusal
	counts map[string]int // by reason
}

// add counts a refusal and reports whether it is to be named.
func (r *refusals) add(reason string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[string]int{}
	}
	r.counts[reason]++
	return r.len() <= stage.MaxNamedRefusals
}

func (r *refusals) name(one stage.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.named = append(r.named, one)
}

// conflicts adds those that the log itself refused.
func (r *refusals) conflicts(c stage.Refused) {
	if c.Len() == 0 {
		return
	}
	if r.counts == nil {
		r.counts = map[string]int{}
	}
	r.counts[idempotency.ReasonConflict] += c.Len()
	r.named = append(r.named, c.Named...)
}

func (r *refusals) len() (n int) {
	for _, count := range r.counts {
		n += count
	}
	return n
}

// merge adds those of a share of the request.
func (r *refusals) merge(other *refusals) {
	if r.counts == nil {
		r.counts = map[string]int{}
	}
	for reason, n := range other.counts {
		r.counts[reason] += n
	}
	r.named = append(r.named, other.named...)
}

// maxToldRefusals bounds what an error tells of single records.
const maxToldRefusals = 3

// String tells how many records were refused for what reasons, and of the first ones where
// they stand and why.
func (r *refusals) String() string {
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(r.counts)) {
		reasons = append(reasons, fmt.Sprintf("%d %s", r.counts[reason], reason))
	}
	slices.SortFunc(r.named, func(a, b stage.Refusal) int { return a.Place.Compare(b.Place) })
	var told []string
	for _, one := range r.named[:min(len(r.named), maxToldRefusals)] {
		told = append(told, fmt.Sprintf("%s: %v", one.Place, one.Err))
	}
	if more := r.len() - len(told); more > 0 {
		told = append(told, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(reasons, ", ") + " (" + strings.Join(told, "; ") + ")"
}

// refusedError: of a request that is in the log, some records are not, and never will be.
type refusedError struct {
	refused *refusals
	records int // of the request
}

func (e *refusedError) Error() string {
	n := e.refused.len()
	rest := fmt.Sprintf("the other %d are in the log", e.records-n)
	switch e.records - n {
	case 0:
		rest = "the log has none of them, and says so"
	case 1:
		rest = "the other one is in the log"
	}
	return fmt.Sprintf("%d of %d records refused: %s; %s", n, e.records, e.refused, rest)
}

// Unwrap returns why the first one was refused.
func (e *refusedError) Unwrap() (errs []error) {
	for _, one := range e.refused.named {
		errs = append(errs, one.Err)
	}
	return errs
}

// refusalOf returns why a record is refused for good that no event could be made of, or ""
// if that is no reason to go on without it.
func refusalOf(err error) (reason string) {
	var missing *mapping.MissingError
	var unproven *ingress.RefusedError
	var large *stage.TooLargeError
	switch {
	case errors.As(err, &missing):
		return "strict"
	case errors.As(err, &unproven):
		return "unverified"
	case errors.As(err, &large):
		return "too_large"
	case errors.Is(err, mapping.ErrTooDeep):
		return "too_deep"
	default:
		return ""
	}
}

// refuse goes on without the record at hand, for which err is the reason. It returns err if
// it is none.
func (p *parts) refuse(b *stage.Batch, w *worker, place stage.Place, err error) error {
	reason := refusalOf(err)
	if reason == "" {
		return err
	}
	if !p.refused.add(reason) {
		b.Refuse(stage.Refusal{})
		return nil
	}
	one := stage.Refusal{Place: place, Reason: reason, Err: err}
	if limit := p.in.opts.Limits.MaxBytes; p.spent.Load() <= limit {
		var n int
		one.SHA256, n = w.hashOfRefused(err)
		p.spent.Add(int64(n))
	}
	one.EventID = strings.Clone(w.info.ID[:min(len(w.info.ID), maxKeptID)])
	b.Refuse(one)
	p.refused.name(one)
	return nil
}

// maxKeptID is more of an id than the log says of a refused record.
const maxKeptID = 256

// hashOfRefused returns the SHA-256 of the event that would have been made of the record at
// hand, or nil if none can be, and how many bytes it has.
func (w *worker) hashOfRefused(why error) ([]byte, int) {
	canonical := w.canonical
	if canonical == nil || !errors.As(why, new(*stage.TooLargeError)) {
		var err error
		canonical, w.info, err = w.encoder.AppendAnyway(w.scratch[:0], w.record)
		w.keepScratch(canonical)
		if err != nil {
			return nil, 0
		}
	}
	sum := sha256.Sum256(canonical)
	return sum[:], len(canonical)
}
