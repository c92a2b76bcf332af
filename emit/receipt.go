// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package emit

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/log"
)

// receiptKey is the key of a call's receipt in its context.
type receiptKey struct{}

// receipt collects what is reported of one call's event, until the call returns.
type receipt struct {
	id     string
	record log.Record // as it was emitted

	mu       sync.Mutex
	closed   bool
	reported bool
	err      error
}

// Report tells the call to [Emitter.Emit] that ctx comes from what became of its
// event: err is nil if the event was acknowledged by whom it is meant for. id is the
// event's, as [Check] tells it: other records that are emitted on the way, with the same
// context, are not mistaken for it. If more than one reports, each has to say
// nil for the call to succeed.
//
// It returns false if no call waits for that event: it did not come from an Emitter,
// or its call has returned.
func Report(ctx context.Context, id string, err error) bool {
	r, ok := ctx.Value(receiptKey{}).(*receipt)
	if !ok || r.id != id {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.reported = true
	r.err = errors.Join(r.err, err)
	return true
}

// close ends the waiting for reports.
func (r *receipt) close() (reported bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.reported, r.err
}
