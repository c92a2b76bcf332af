// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/otel-auditlog/auditlogexporter/cmd/auditlog/internal/replay"
	"github.com/otel-auditlog/auditlogexporter/export"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is an OTLP receiver that keeps what it acknowledges.
type receiver struct {
	plogotlp.UnimplementedGRPCServer
	// answer says what to answer to the nth request, from 0.
	answer func(n int) (plogotlp.ExportResponse, error)

	mu       sync.Mutex
	n        int
	requests []plog.Logs
}

func (r *receiver) Export(_ context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	response, err := plogotlp.NewExportResponse(), error(nil)
	if r.answer != nil {
		response, err = r.answer(r.n)
	}
	r.n++
	if err == nil {
		logs := plog.NewLogs()
		request.Logs().CopyTo(logs)
		r.requests = append(r.requests, logs)
	}
	return response, err
}

// sizes returns how many records each acknowledged request held.
func (r *receiver) sizes() (all []int) {
	for _, logs := range r.requests {
		all = append(all, logs.LogRecordCount())
	}
	return all
}

func (r *receiver) serve(t *testing.T) *grpc.ClientConn {
	t.Helper()
	return serve(t, r)
}

// serve starts a receiver and returns a connection to it.
func serve(t *testing.T, r plogotlp.GRPCServer) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	plogotlp.RegisterGRPCServer(server, r)
	done := make(chan error)
	go func() { done <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, conn.Close())
		server.Stop()
		assert.NoError(t, <-done)
	})
	return conn
}

// encode returns the events of records as a log would hold them.
func encode(t *testing.T, logs plog.Logs) (all [][]byte) {
	t.Helper()
	encoder, err := mapping.NewEncoder(mapping.Default())
	require.NoError(t, err)
	for _, rl := range logs.ResourceLogs().All() {
		encoder.SetResource(rl.Resource(), rl.SchemaUrl())
		for _, sl := range rl.ScopeLogs().All() {
			encoder.SetScope(sl.Scope(), sl.SchemaUrl())
			for _, r := range sl.LogRecords().All() {
				canonical, _, err := encoder.Append(nil, r)
				require.NoError(t, err)
				all = append(all, canonical)
			}
		}
	}
	return all
}

// records makes n records, of several resources and scopes, which some in a row share.
func records(n, padding int) plog.Logs {
	logs := plog.NewLogs()
	for i := range n {
		rl := logs.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutInt("host", int64(i/4))
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName(fmt.Sprint("scope ", i/2))
		r := sl.LogRecords().AppendEmpty()
		r.SetTimestamp(1)
		r.Body().SetStr(strings.Repeat("x", padding) + "\xff\x00")
		r.Attributes().PutStr("audit.record.id", fmt.Sprint("id-", i))
	}
	return logs
}

// add passes events to the sender, as leaves 10, 11 and so on.
func add(t *testing.T, s *replay.Sender, events [][]byte) error {
	t.Helper()
	for i, canonical := range events {
		if err := s.Add(t.Context(), &export.Event{Index: uint64(10 + i), EventLine: segment.EventLine{Canonical: canonical}}); err != nil {
			return err
		}
	}
	return s.Flush(t.Context())
}

// What arrives makes the same events, in the same order, and resources and scopes are
// not sent for each record.
func TestReplay(t *testing.T) {
	events := encode(t, records(10, 0))
	for maximum, want := range map[int][]int{1: {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 3: {3, 3, 3, 1}, 10: {10}, 1000: {10}} {
		var r receiver
		s := replay.NewSender(r.serve(t), maximum)
		require.NoError(t, add(t, s, events))
		n, newest := s.Acknowledged()
		assert.Equal(t, 10, n, "batches of %d", maximum)
		assert.Equal(t, uint64(19), newest, "batches of %d", maximum)
		assert.Equal(t, want, r.sizes(), "batches of %d", maximum)
		var got [][]byte
		for _, logs := range r.requests {
			got = append(got, encode(t, logs)...)
		}
		assert.True(t, slices.EqualFunc(got, events, bytes.Equal), "batches of %d: got\n", maximum)
		if maximum == 1000 && (r.requests[0].ResourceLogs().Len() != 3 || r.requests[0].ResourceLogs().At(0).ScopeLogs().Len() != 2) {
			t.Errorf("%d resources", r.requests[0].ResourceLogs().Len())
		}
	}
}

// Large events go in requests that receivers take, whatever the number.
func TestReplayOfLargeEvents(t *testing.T) {
	var r receiver
	require.NoError(t, add(t, replay.NewSender(r.serve(t), 1000), encode(t, records(5, 700<<10))))
	assert.Equal(t, []int{2, 2, 1}, r.sizes(), "requests")
}

// A batch that is not acknowledged ends it, and what was acknowledged before is told.
func TestReplayFails(t *testing.T) {
	for name, c := range map[string]struct {
		answer error
		want   string
	}{
		"refused":            {status.Error(codes.InvalidArgument, "not for this log"), "not for this log"},
		"partly":             {nil, "rejected 2 of these 3 events: quota"},
		"cannot be reached":  {status.Error(codes.Unavailable, "gone"), "gone"},
		"breaks in between":  {status.FromContextError(context.DeadlineExceeded).Err(), "deadline"},
		"knows no such call": {status.Error(codes.Unimplemented, "unknown service"), "unknown service"},
	} {
		r := receiver{answer: func(n int) (plogotlp.ExportResponse, error) {
			response := plogotlp.NewExportResponse()
			if n < 2 {
				return response, nil
			}
			response.PartialSuccess().SetRejectedLogRecords(2)
			response.PartialSuccess().SetErrorMessage("quota")
			return response, c.answer
		}}
		s := replay.NewSender(r.serve(t), 3)
		err := add(t, s, encode(t, records(10, 0)))
		assert.ErrorContains(t, err, c.want, name)
		assert.ErrorContains(t, err, "leaves 16 to 18", name)
		n, newest := s.Acknowledged()
		assert.Equal(t, 6, n, name)
		assert.Equal(t, uint64(15), newest, name)
	}
}

// What a receiver remarks about records that it takes is passed on.
func TestReplayWarns(t *testing.T) {
	r := receiver{answer: func(int) (plogotlp.ExportResponse, error) {
		response := plogotlp.NewExportResponse()
		response.PartialSuccess().SetErrorMessage("too chatty")
		return response, nil
	}}
	s := replay.NewSender(r.serve(t), 10)
	var got []string
	s.Warn = func(first, last uint64, message string) {
		got = append(got, fmt.Sprintf("%d-%d %s", first, last, message))
	}
	assert.NoError(t, add(t, s, encode(t, records(3, 0))), "told")
	assert.Equal(t, []string{"10-12 too chatty"}, got, "told")
	n, _ := s.Acknowledged()
	assert.Equal(t, 3, n, "events acknowledged")
}

// What a receiver rejects for good is passed over, told of and counted, if that is wanted,
// and nothing else is: neither what may be taken later, nor what is about the sender.
func TestReplaySkipsWhatIsRejected(t *testing.T) {
	detailed, err := status.New(codes.ResourceExhausted, "later").WithDetails(&wrapperspb.StringValue{})
	require.NoError(t, err)
	withRetry := detailed.Proto()
	withRetry.Details[0].TypeUrl = "type.googleapis.com/google.rpc.RetryInfo"
	for name, c := range map[string]struct {
		answer error
		passes bool
	}{
		"invalid":     {status.Error(codes.InvalidArgument, "no"), true},
		"refused":     {status.Error(codes.Internal, "Permanent error: no"), true},
		"too large":   {status.Error(codes.ResourceExhausted, "received message larger than max"), true},
		"other words": {detailed.Err(), true},
		"again":       {status.FromProto(withRetry).Err(), false},
		"not now":     {status.Error(codes.Unavailable, "no"), false},
		"forbidden":   {status.Error(codes.PermissionDenied, "no"), false},
		"unknown":     {status.Error(codes.Unauthenticated, "no"), false},
		"no service":  {status.Error(codes.Unimplemented, "no"), false},
		"in time":     {status.Error(codes.DeadlineExceeded, "no"), false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &picky{answer: c.answer, bad: map[string]bool{"id-4": true, "id-9": true}}
			s := replay.NewSender(serve(t, r), 3)
			var told []uint64
			s.Rejected = func(first, last uint64, number int64, _ string) {
				assert.Equal(t, last, first, "leaves")
				assert.Equal(t, int64(1), number, "leaves")
				told = append(told, first)
			}
			err := add(t, s, encode(t, records(10, 0)))
			n, newest := s.Acknowledged()
			if !c.passes {
				assert.Error(t, err)
				assert.Equal(t, 3, n)
				assert.Empty(t, told)
				return
			}
			want := []string{"id-0", "id-1", "id-2", "id-3", "id-5", "id-6", "id-7", "id-8"}
			if err != nil || n != 8 || newest != 19 || s.RejectedEvents() != 2 || !slices.Equal(told, []uint64{14, 19}) || !slices.Equal(r.ids, want) {
				t.Errorf("%v, %d acknowledged up to %d, %d rejected, told of %v, received %v", err, n, newest, s.RejectedEvents(), told, r.ids)
			}
		})
	}
	t.Run("partly", func(t *testing.T) {
		r := receiver{answer: func(int) (plogotlp.ExportResponse, error) {
			response := plogotlp.NewExportResponse()
			response.PartialSuccess().SetRejectedLogRecords(2)
			response.PartialSuccess().SetErrorMessage("quota")
			return response, nil
		}}
		s := replay.NewSender(r.serve(t), 5)
		var told []string
		s.Rejected = func(first, last uint64, number int64, message string) {
			told = append(told, fmt.Sprint(first, last, number, message))
		}
		err := add(t, s, encode(t, records(10, 0)))
		if n, _ := s.Acknowledged(); err != nil || n != 6 || s.RejectedEvents() != 4 || !slices.Equal(told, []string{"10 14 2quota", "15 19 2quota"}) {
			t.Errorf("%v, %d acknowledged, told of %q", err, n, told)
		}
	})
}

// picky is a receiver that rejects requests with certain records.
type picky struct {
	plogotlp.UnimplementedGRPCServer
	answer error
	bad    map[string]bool
	ids    []string
}

func (p *picky) Export(_ context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	var ids []string
	for _, rl := range request.Logs().ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				id, _ := r.Attributes().Get("audit.record.id")
				if p.bad[id.Str()] {
					return plogotlp.NewExportResponse(), p.answer
				}
				ids = append(ids, id.Str())
			}
		}
	}
	p.ids = append(p.ids, ids...)
	return plogotlp.NewExportResponse(), nil
}

func TestReplayEndsWithTheContext(t *testing.T) {
	var r receiver
	s := replay.NewSender(r.serve(t), 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, s.Add(ctx, &export.Event{EventLine: segment.EventLine{Canonical: encode(t, records(1, 0))[0]}}))
	err := s.Flush(ctx)
	assert.Equal(t, codes.Canceled, status.Code(errors.Unwrap(err)), "error %v", err)
	err = s.Add(t.Context(), &export.Event{Index: 3, EventLine: segment.EventLine{Canonical: []byte("{}")}})
	assert.ErrorContains(t, err, "leaf 3", "error")
}
