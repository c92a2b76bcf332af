// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtest

import (
	"sync"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// Quiet is an observer that does nothing, to be embedded by those that look at something.
type Quiet struct{}

func (Quiet) Committed(rotation.Commit)         {}
func (Quiet) Refused(rotation.Reason, int, int) {}
func (Quiet) SegmentsChanged(int, int64)        {}
func (Quiet) FreeSpace(uint64)                  {}
func (Quiet) Fault(error)                       {}
func (Quiet) Healthy()                          {}
func (Quiet) WitnessReplied(cosigning.Reply)    {}
func (Quiet) Witnessed(uint64)                  {}
func (Quiet) WitnessesFault(error)              {}
func (Quiet) StateFault(error)                  {}

// observer keeps the newest commit, and tells the observer of the log's options of all.
type observer struct {
	rotation.Observer
	// changed has something in it after the segments have changed.
	changed chan struct{}

	mu     sync.Mutex
	commit rotation.Commit
}

func (o *observer) newest() rotation.Commit {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.commit
}

func (o *observer) Committed(c rotation.Commit) {
	o.mu.Lock()
	o.commit = c
	o.mu.Unlock()
	o.Observer.Committed(c)
}

func (o *observer) SegmentsChanged(segments int, bytes int64) {
	select {
	case o.changed <- struct{}{}:
	default:
	}
	o.Observer.SegmentsChanged(segments, bytes)
}
