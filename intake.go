// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

var errNotRunning = errors.New("the auditlog exporter is not running")

// intake counts the calls in flight, so that a shutdown can let them finish. The
// zero value refuses calls.
type intake struct {
	mu     sync.Mutex
	opened bool
	calls  int
	idle   chan struct{} // made by close; closed when the last call leaves
}

func (i *intake) open() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.opened = true
}

// enter admits a call, which must leave again.
func (i *intake) enter() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.opened {
		return errNotRunning
	}
	i.calls++
	return nil
}

func (i *intake) leave() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls--
	if i.calls == 0 && i.idle != nil {
		close(i.idle)
	}
}

// close refuses further calls and waits for those that entered.
func (i *intake) close(ctx context.Context) error {
	i.mu.Lock()
	i.opened = false
	if i.calls == 0 {
		i.mu.Unlock()
		return nil
	}
	if i.idle == nil {
		i.idle = make(chan struct{})
	}
	idle := i.idle
	i.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("shut the auditlog exporter down: calls are still in flight: %w", ctx.Err())
	}
}
