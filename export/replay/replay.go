// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package replay sends events of an audit log back as OTLP log records, equal to
// those they were mapped from, to a receiver that speaks OTLP over gRPC.
//
// A record of which the event's id was not taken (it came in without one) goes out
// without one, too. Records that a receiver has taken and not acknowledged, because the
// answer was lost, are sent again by who goes on from the last acknowledged index.
package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"

	"github.com/otel-auditlog/auditlogexporter/export"
)

// maxBatchBytes bounds the events of a batch, as the log holds them: receivers refuse
// requests above 4 MiB unless told otherwise.
const maxBatchBytes = 2 << 20

// requestTimeout is how long a request may take, tries that the connection makes on
// its own included.
const requestTimeout = time.Minute

// Sender sends events in batches. It is for one goroutine at a time.
type Sender struct {
	// Warn, if it is set, is told what the receiver says of leaves though it took them.
	Warn func(first, last uint64, message string)

	client  plogotlp.GRPCClient
	maximum int

	// The batch at hand: its records, how many they are, their leaves, the bytes of
	// their events, and the resource and scope of the last in canonical JSON.
	logs            plog.Logs
	n               int
	first, last     uint64
	bytes           int
	resource, scope string

	acknowledged int
	newest       uint64
}

// NewSender returns a sender of batches of up to maximum events, over conn.
func NewSender(conn *grpc.ClientConn, maximum int) *Sender {
	return &Sender{client: plogotlp.NewGRPCClient(conn), maximum: maximum, logs: plog.NewLogs()}
}

// Acknowledged returns how many events have been acknowledged, and the leaf index of
// the last of them.
func (s *Sender) Acknowledged() (n int, newest uint64) { return s.acknowledged, s.newest }

// Add adds an event, and sends the batch if it is full. The log's own events, which are
// no records, are not for it.
func (s *Sender) Add(ctx context.Context, ev *export.Event) error {
	if s.n > 0 && s.bytes+len(ev.Canonical) > maxBatchBytes {
		if err := s.Flush(ctx); err != nil {
			return err
		}
	}
	if err := s.add(ev); err != nil {
		return err
	}
	if s.n == s.maximum {
		return s.Flush(ctx)
	}
	return nil
}

func (s *Sender) add(ev *export.Event) error {
	e, err := ev.Parse()
	if err != nil {
		return err
	}
	logs, err := e.Logs()
	if err != nil {
		return fmt.Errorf("leaf %d: %w", ev.Index, err)
	}
	var from struct {
		Resource json.RawMessage `json:"resource"`
		Scope    json.RawMessage `json:"scope"`
	}
	if err := json.Unmarshal(ev.Canonical, &from); err != nil {
		return fmt.Errorf("leaf %d: %w", ev.Index, err)
	}
	s.join(logs, string(from.Resource), string(from.Scope))
	if s.n == 0 {
		s.first = ev.Index
	}
	s.n, s.last, s.bytes = s.n+1, ev.Index, s.bytes+len(ev.Canonical)
	return nil
}

// join adds one record, under the resource and scope of the one before it if they are
// the same.
func (s *Sender) join(one plog.Logs, resource, scope string) {
	all := s.logs.ResourceLogs()
	switch {
	case s.n == 0 || resource != s.resource:
		one.ResourceLogs().MoveAndAppendTo(all)
	case scope != s.scope:
		one.ResourceLogs().At(0).ScopeLogs().MoveAndAppendTo(all.At(all.Len() - 1).ScopeLogs())
	default:
		scopes := all.At(all.Len() - 1).ScopeLogs()
		one.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().MoveAndAppendTo(scopes.At(scopes.Len() - 1).LogRecords())
	}
	s.resource, s.scope = resource, scope
}

// Flush sends what has been added and not been sent. With an error, it is not known
// to have arrived, and the sender is of no more use.
func (s *Sender) Flush(ctx context.Context) error {
	if s.n == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := s.client.Export(ctx, plogotlp.NewExportRequestFromLogs(s.logs))
	if err != nil {
		return fmt.Errorf("send leaves %d to %d: %w", s.first, s.last, err)
	}
	switch p := response.PartialSuccess(); {
	case p.RejectedLogRecords() != 0:
		return fmt.Errorf("send leaves %d to %d: the receiver rejected %d of these %d events: %s", s.first, s.last, p.RejectedLogRecords(), s.n, p.ErrorMessage())
	case p.ErrorMessage() != "" && s.Warn != nil:
		s.Warn(s.first, s.last, p.ErrorMessage())
	}
	s.acknowledged, s.newest = s.acknowledged+s.n, s.last
	s.logs, s.n, s.bytes = plog.NewLogs(), 0, 0
	return nil
}
