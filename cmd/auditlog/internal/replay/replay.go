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
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/export"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/logdir"
)

// maxBatchBytes bounds the events of a batch, as the log holds them: receivers refuse
// requests above 4 MiB unless told otherwise.
const maxBatchBytes = 2 << 20

// RequestTimeout is how long a request may take unless [Sender] is told otherwise, tries
// that the connection makes on its own included.
const RequestTimeout = time.Minute

// Sender sends events in batches. It is for one goroutine at a time.
type Sender struct {
	// Warn, if it is set, is told what the receiver says of leaves though it took them.
	Warn func(first, last uint64, message string)
	// Rejected, if it is set, is told of events that the receiver rejects for good: number
	// of those from one leaf to another. They are counted, and sending goes on. If it is
	// nil, sending ends there.
	Rejected func(first, last uint64, number int64, message string)
	// Timeout is how long a request may take; 0 means [RequestTimeout].
	Timeout time.Duration

	client  plogotlp.GRPCClient
	maximum int

	// The batch at hand: its records, how many they are, their leaves, the bytes of
	// their events, and the resource and scope of the last in canonical JSON.
	logs            plog.Logs
	n               int
	leaves          []uint64
	first, last     uint64
	bytes           int
	resource, scope string

	acknowledged int
	rejected     int64
	newest       uint64
}

// NewSender returns a sender of batches of up to maximum events, over conn.
func NewSender(conn *grpc.ClientConn, maximum int) *Sender {
	return &Sender{client: plogotlp.NewGRPCClient(conn), maximum: maximum, logs: plog.NewLogs()}
}

// Acknowledged returns how many events have been acknowledged, and the leaf index of the
// last of them, or of the last one after it that was rejected and passed over.
func (s *Sender) Acknowledged() (n int, newest uint64) { return s.acknowledged, s.newest }

// RejectedEvents returns how many events the receiver has rejected, of which
// [Sender.Rejected] was told.
func (s *Sender) RejectedEvents() int64 { return s.rejected }

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
	e, err := event.Parse(ev.Canonical)
	if err != nil {
		return fmt.Errorf("%w: leaf %d: %w", logdir.ErrDamaged, ev.Index, err)
	}
	logs, err := mapping.Logs(e)
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
	s.leaves = append(s.leaves, ev.Index)
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
	err := s.send(ctx, s.logs, s.first, s.last, int64(s.n))
	if err != nil && s.Rejected != nil && forGood(err) {
		err = s.oneByOne(ctx, err)
	}
	if err != nil {
		return err
	}
	s.newest = s.last
	s.logs, s.n, s.bytes, s.leaves = plog.NewLogs(), 0, 0, s.leaves[:0]
	return nil
}

// send sends n records, the leaves from first to last.
func (s *Sender) send(ctx context.Context, logs plog.Logs, first, last uint64, n int64) error {
	timeout := s.Timeout
	if timeout == 0 {
		timeout = RequestTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, err := s.client.Export(ctx, plogotlp.NewExportRequestFromLogs(logs))
	if err != nil {
		return fmt.Errorf("send leaves %d to %d: %w", first, last, err)
	}
	p := response.PartialSuccess()
	rejected := p.RejectedLogRecords()
	switch {
	case rejected != 0 && (s.Rejected == nil || rejected < 0 || rejected > n):
		return fmt.Errorf("send leaves %d to %d: the receiver rejected %d of these %d events: %s", first, last, rejected, n, p.ErrorMessage())
	case rejected != 0:
		s.reject(first, last, rejected, p.ErrorMessage())
	case p.ErrorMessage() != "" && s.Warn != nil:
		s.Warn(first, last, p.ErrorMessage())
	}
	s.acknowledged += int(n - rejected)
	return nil
}

func (s *Sender) reject(first, last uint64, number int64, message string) {
	s.rejected += number
	s.Rejected(first, last, number, message)
}

// oneByOne sends the events of a batch that was rejected as a whole each by itself, so that
// only those stay behind that the receiver rejects; why is the batch's error.
func (s *Sender) oneByOne(ctx context.Context, why error) error {
	if s.n == 1 {
		s.reject(s.first, s.last, 1, answerOf(why))
		return nil
	}
	for i, one := range split(s.logs) {
		leaf := s.leaves[i]
		switch err := s.send(ctx, one, leaf, leaf, 1); {
		case err != nil && forGood(err):
			s.reject(leaf, leaf, 1, answerOf(err))
		case err != nil:
			return err
		}
		s.newest = leaf
	}
	return nil
}

// answerOf is what the receiver itself has said.
func answerOf(err error) string {
	var answer interface{ GRPCStatus() *status.Status }
	if errors.As(err, &answer) {
		return answer.GRPCStatus().Message()
	}
	return err.Error()
}

// split returns each record by itself, in their order.
func split(logs plog.Logs) (all []plog.Logs) {
	for _, rl := range logs.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, record := range sl.LogRecords().All() {
				one := plog.NewLogs()
				resource := one.ResourceLogs().AppendEmpty()
				rl.Resource().CopyTo(resource.Resource())
				resource.SetSchemaUrl(rl.SchemaUrl())
				scope := resource.ScopeLogs().AppendEmpty()
				sl.Scope().CopyTo(scope.Scope())
				scope.SetSchemaUrl(sl.SchemaUrl())
				record.CopyTo(scope.LogRecords().AppendEmpty())
				all = append(all, one)
			}
		}
	}
	return all
}

// forGood reports whether a receiver will never take what it answers so. What is about the
// sender (who is not known, or not permitted) is not about a record. A receiver of the
// collector says Internal where its pipeline refuses for good, and ResourceExhausted, unless
// it says when to try again, means that a request is too large.
func forGood(err error) bool {
	answer, ok := status.FromError(err)
	if !ok {
		return false
	}
	switch answer.Code() {
	case codes.InvalidArgument, codes.Internal:
		return true
	case codes.ResourceExhausted:
		for _, detail := range answer.Proto().GetDetails() {
			if strings.HasSuffix(detail.GetTypeUrl(), "/google.rpc.RetryInfo") {
				return false
			}
		}
		return true
	default:
		return false
	}
}
