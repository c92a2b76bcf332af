// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
)

// health is the exporter's status: well if the log can be written and events can be
// signed. The host is told when that changes, and only then.
type health struct {
	host   component.Host
	logger *zap.Logger

	failing  atomic.Bool // what unsigned != nil says, to be read for every call
	mu       sync.Mutex
	fault    error // why the log cannot be written
	unsigned error // why events cannot be signed
}

// written tells whether the log can be written.
func (h *health) written(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.change(&h.fault, err)
}

// signed tells whether events can be signed.
func (h *health) signed(err error) {
	if err == nil && !h.failing.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing.Store(err != nil)
	if err == nil {
		h.logger.Info("Events are signed again")
	} else {
		h.logger.Warn("Events cannot be signed", zap.Error(err))
	}
	h.change(&h.unsigned, err)
}

func (h *health) change(what *error, err error) {
	before := h.problem()
	*what = err
	after := h.problem()
	switch {
	case before == nil && after != nil:
		componentstatus.ReportStatus(h.host, componentstatus.NewRecoverableErrorEvent(after))
	case before != nil && after == nil:
		componentstatus.ReportStatus(h.host, componentstatus.NewEvent(componentstatus.StatusOK))
	}
}

func (h *health) problem() error {
	if h.fault != nil {
		return h.fault
	}
	return h.unsigned
}
