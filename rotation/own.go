// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// newOwnBatch returns a batch for the log's own events: limits are for those of others.
func (s *snapshot) newOwnBatch() *stage.Batch {
	return stage.NewBatch(s.opts.batchForm(segline.MaxBytes))
}

// addOwn appends an event of the log's own to the batch. It is signed like any
// other of its segment; unsignedAllowed lets it be marked as unsigned where signing
// fails. An event that readers would not take is replaced by what they take, or left
// out: it must not spoil a commit that others have events in.
func (s *snapshot) addOwn(b *stage.Batch, o logevent.Event, signer *signing.Signer, unsignedAllowed bool) error {
	line, now, err := s.ownEvent(o)
	if err != nil {
		s.opts.Logger.Error("The audit log cannot say of itself what it should: its readers would not take it", zap.String("action", string(o.Action)), zap.Error(err))
		if indispensable(o.Action) {
			return err
		}
		if line, now, err = s.ownEvent(logevent.Event{Action: o.Action, Detail: unsayable}); err != nil {
			return nil
		}
	}
	encode := func(dst []byte) ([]byte, uint64, error) { return append(dst, line...), timestamp.Nanoseconds(now), nil }
	if s.opts.Scope != segline.ScopeEvent {
		return b.Add(encode, nil, "")
	}
	err = b.Add(encode, s.sign(signer), signer.Public().ID())
	if err != nil && unsignedAllowed {
		err = b.AddUnsigned(encode)
	}
	return err
}

// sign returns the function that signs events of the log with a key.
func (s *snapshot) sign(signer *signing.Signer) func(canonical []byte) ([]byte, error) {
	return func(canonical []byte) ([]byte, error) { return signer.SignEvent(s.opts.Origin, s.id, canonical) }
}

// unsayable is the detail of an event that had to be replaced.
const unsayable = "what was to be said here cannot be written down: see the collector's log of that time"

// indispensable reports whether readers rely on the event being there, whole. What such
// an event says is the writer's own work.
func indispensable(a logevent.Action) bool {
	switch a {
	case logevent.Rotated, logevent.KeyChanged, logevent.Pruned:
		return true
	default:
		return false
	}
}

// ownEvent encodes an event of the log's own, and reads it back.
func (s *snapshot) ownEvent(o logevent.Event) (canonical []byte, now time.Time, err error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, now, fmt.Errorf("make an event id: %w", err)
	}
	now = s.opts.Now()
	canonical = ownevent.Append(nil, &o, id.String(), now, s.opts.Origin)
	if err := readBack(canonical, o); err != nil {
		return nil, now, fmt.Errorf("read the log's own event %s back: %w", o.Action, err)
	}
	return canonical, now, nil
}

// readBack reads an event of the log's own as readers of the log will: one line that they
// do not take makes the whole log one that fails its check.
func readBack(canonical []byte, o logevent.Event) error {
	line := segline.AppendNoSignature(append(segline.AppendEventStart(nil), canonical...))
	if len(line)+maxSignatureMembers > segline.MaxBytes {
		return fmt.Errorf("its line is longer than %d bytes", segline.MaxBytes)
	}
	parsed, err := segment.ParseEvent(nil, line)
	if err != nil {
		return err
	}
	var sum eventjson.Summary
	if err := eventjson.Scan(parsed.Canonical, &sum); err != nil {
		return err
	}
	read, err := logevent.Parse(sum.Log)
	if err != nil {
		return err
	}
	if read.Action != o.Action || read.Size != o.Size || read.Before != o.Before {
		return errors.New("it reads as another")
	}
	if o.Action != logevent.Witnessed {
		return nil
	}
	c, err := signing.ParseCheckpoint([]byte(read.Checkpoint))
	if err == nil && c.Size != read.Size {
		err = fmt.Errorf("the checkpoint is over %d leaves, not %d", c.Size, read.Size)
	}
	return err
}

// maxSignatureMembers is more than a signature and its key's id take of a line.
const maxSignatureMembers = 1 << 10
