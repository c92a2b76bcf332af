// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package cosign

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
)

// Options say which witnesses are asked, and how.
type Options struct {
	Witnesses []cosigning.Witness
	// Quorum is how many of them have to cosign a checkpoint for it to count as witnessed;
	// 0 means all.
	Quorum int
	// Interval is how often they are asked, if the log grows; 0 means 10 s.
	Interval time.Duration
	Observer Observer
	Logger   *zap.Logger
	Now      func() time.Time
}

// Observer is told what witnesses do.
type Observer interface {
	// WitnessReplied: a witness has been asked to cosign a checkpoint.
	WitnessReplied(cosigning.Reply)
	// Witnessed: a quorum of witnesses has cosigned a checkpoint over so many leaves.
	// Called when they are more than before.
	Witnessed(size uint64)
	// WitnessesFault: a quorum of witnesses does not keep up with the log, or a witness
	// contradicts it; nil: that is over. Called on change only.
	WitnessesFault(err error)
}

const (
	// defaultInterval is Options.Interval if none is given.
	defaultInterval = 10 * time.Second
	// maxWitnesses keeps a cosigned checkpoint below the 100 signatures that readers
	// of notes take.
	maxWitnesses = 32
	// requestTimeout bounds one request to a witness.
	requestTimeout = 5 * time.Second
	// closeTimeout bounds the last attempt when the log is closed.
	closeTimeout = 2 * time.Second
	// maxBackoff is the most by which requests to a witness that fails are spaced out,
	// in intervals.
	maxBackoff = 32
	// lateAfter is how many intervals may pass without a quorum.
	lateAfter = 3
)

// complete checks the options and fills in what may be left out.
func (o *Options) complete() error {
	if len(o.Witnesses) > maxWitnesses {
		return fmt.Errorf("%d witnesses are more than %d", len(o.Witnesses), maxWitnesses)
	}
	names := map[string]bool{}
	for _, w := range o.Witnesses {
		if names[w.Name()] {
			return fmt.Errorf("two witnesses are called %q", w.Name())
		}
		names[w.Name()] = true
	}
	if o.Quorum < 0 || o.Quorum > len(o.Witnesses) {
		return fmt.Errorf("a quorum of %d of %d witnesses", o.Quorum, len(o.Witnesses))
	}
	if o.Quorum == 0 {
		o.Quorum = len(o.Witnesses)
	}
	if o.Interval < 0 {
		return errors.New("the interval at which witnesses are asked is negative")
	}
	if o.Interval == 0 {
		o.Interval = defaultInterval
	}
	return nil
}
