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

// health is the exporter's status: well if the log can be written, events can be signed,
// receipts, where there are some, can be written, the state can be kept and, where there are
// witnesses, a quorum of them keeps up. The host is told when that
// changes, and only then.
type health struct {
	host   component.Host
	logger *zap.Logger

	failing  atomic.Bool // what unsigned != nil says, to be read for every call
	mu       sync.Mutex
	fault    error // why the log cannot be written
	unsigned error // why events cannot be signed
	// unwitnessed is why witnesses do not vouch for the log.
	unwitnessed error
	// unreceipted is why receipts cannot be written.
	unreceipted error
	// unremembered is why the log's state cannot be kept.
	unremembered error
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

// witnessed tells whether witnesses vouch for the log, when that changes.
func (h *health) witnessed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.change(&h.unwitnessed, err)
}

// receipted tells whether receipts can be written.
func (h *health) receipted(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.change(&h.unreceipted, err)
}

// remembered tells whether the log's state can be kept.
func (h *health) remembered(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.change(&h.unremembered, err)
}

func (h *health) change(what *error, err error) {
	before := h.problem()
	*what = err
	switch after := h.problem(); {
	case after == nil && before != nil:
		componentstatus.ReportStatus(h.host, componentstatus.NewEvent(componentstatus.StatusOK))
	case after == nil, after == before && after == &h.unsigned:
		// What is wrong with signing may be worded differently with each event.
	case after != before || what == after:
		componentstatus.ReportStatus(h.host, componentstatus.NewRecoverableErrorEvent(*after))
	}
}

// problem returns the gravest problem there is, or nil.
func (h *health) problem() *error {
	for _, what := range []*error{&h.fault, &h.unsigned, &h.unwitnessed, &h.unreceipted, &h.unremembered} {
		if *what != nil {
			return what
		}
	}
	return nil
}
