// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

var errNotRunning = errors.New("the auditlog exporter is not running")

// inFlight counts the requests that have no answer yet, so that a shutdown can let them
// finish, and the bytes they hold. The zero value refuses requests.
type inFlight struct {
	limits Limits
	bytes  atomic.Int64

	mu       sync.Mutex
	opened   bool
	requests int
	idle     chan struct{} // made by close; closed when the last request leaves
}

func (f *inFlight) open() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened = true
}

// enter admits a request, which must leave again.
func (f *inFlight) enter() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.opened {
		return errNotRunning
	}
	f.requests++
	return nil
}

func (f *inFlight) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests--
	if f.requests == 0 && f.idle != nil {
		close(f.idle)
	}
}

// close refuses further requests and waits for those that entered.
func (f *inFlight) close(ctx context.Context) error {
	f.mu.Lock()
	f.opened = false
	if f.requests == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.idle == nil {
		f.idle = make(chan struct{})
	}
	idle := f.idle
	f.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("shut the auditlog exporter down: calls are still in flight: %w", ctx.Err())
	}
}

// claim is what one request has of the bytes in flight, in all its shares.
type claim struct {
	of    *inFlight
	bytes atomic.Int64
}

// take claims more bytes, which are to be given back in any case. With an error, nothing
// more is to be made for the request.
func (c *claim) take(n int64) error {
	l := c.of.limits
	mine, all := c.bytes.Add(n), c.of.bytes.Add(n)
	switch {
	case mine > l.MaxBytes:
		return l.tooLarge()
	case all > l.MaxInFlightBytes:
		return &limitError{"max_in_flight", false, fmt.Sprintf("the calls at hand would add more than the %d MiB to the log that limits::max_in_flight_mib allows at a time: try again", l.MaxInFlightBytes/mebibyte)}
	default:
		return nil
	}
}

func (c *claim) give(n int64) {
	c.bytes.Add(-n)
	c.of.bytes.Add(-n)
}

// limitError: a request is over a limit.
type limitError struct {
	reason    string
	permanent bool
	text      string
}

func (e *limitError) Error() string { return e.text }

const (
	mebibyte = 1 << 20

	// leastEventBytes is less than any event takes: a request that is too large by this is
	// known before anything is made of it.
	leastEventBytes = 200
)

// admit refuses a request that is known to be too large before anything is made of it.
func (l Limits) admit(records int) error {
	if records > l.MaxRecords {
		return &limitError{"max_records", true, fmt.Sprintf("the call brings %d records, more than the %d that limits::max_records allows: send fewer at a time, or raise it", records, l.MaxRecords)}
	}
	if int64(records)*leastEventBytes > l.MaxBytes {
		return l.tooLarge()
	}
	return nil
}

func (l Limits) tooLarge() error {
	return &limitError{"max_size", true, fmt.Sprintf("the call would add more than the %d MiB to the log that limits::max_size_mib allows: send less at a time, or raise it", l.MaxBytes/mebibyte)}
}
