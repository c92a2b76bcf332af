// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// client sends batches by OTLP over gRPC, one at a time, and keeps account of what
// became of each.
type client struct {
	name    string
	account *account
	export  plogotlp.GRPCClient
	records int // in a batch
	padding int // bytes in a record's body
	sent    int // batches
}

// newClient makes a client whose batches have so many records, with bodies of so
// many bytes. Its name must be its own within the account.
func (s *site) newClient(t *testing.T, a *account, name string, records, padding int) *client {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+s.grpc,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		// A collector that is not up yet is tried again soon.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: pollEvery, MaxDelay: pollEvery, Multiplier: 1}, MinConnectTimeout: waitAtMost}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return &client{name: name, account: a, export: plogotlp.NewGRPCClient(conn), records: records, padding: padding}
}

// send sends the next batch and returns the error that came back, if any.
func (c *client) send(ctx context.Context) error {
	c.sent++
	return c.resend(ctx)
}

// resend sends the last batch again.
func (c *client) resend(ctx context.Context) error {
	ids := numbered(fmt.Sprintf("%s-%06d", c.name, c.sent), c.records)
	ctx, cancel := context.WithTimeout(ctx, waitAtMost)
	defer cancel()
	_, err := c.export.Export(ctx, plogotlp.NewExportRequestFromLogs(request(c.padding, ids...)))
	c.account.note(c.name, ids, outcomeOf(err))
	return err
}

// deliver sends a batch, again and again until it is acknowledged, and returns the
// last error before that.
func (c *client) deliver(t *testing.T) (last error) {
	t.Helper()
	err := c.send(t.Context())
	eventually(t, "a batch is acknowledged", func() bool {
		if err == nil {
			return true
		}
		last = err
		err = c.resend(t.Context())
		return err == nil
	})
	return last
}

// outcome is what a client was told of a batch.
type outcome int

const (
	acknowledged outcome = iota
	refused              // with an error of the exporter's
	unanswered           // nobody can say: the collector may or may not have got it
)

// outcomeOf tells the exporter's own errors from those of a broken connection.
func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return acknowledged
	case strings.Contains(status.Convert(err).Message(), "records is in the audit log"):
		return refused
	default:
		return unanswered
	}
}

// requireRefused fails unless an error is the exporter's, tells the client to try
// again, and says why.
func requireRefused(t *testing.T, err error, says string) {
	t.Helper()
	require.Equal(t, refused, outcomeOf(err), "%v", err)
	require.Equal(t, codes.Unavailable, status.Code(err), "by OTLP, this asks for a retry: %v", err)
	require.Contains(t, err.Error(), says)
}

// load has clients send without pause until stop is called, which waits for them.
// After an error a client waits a moment and sends its next batch.
func load(t *testing.T, clients ...*client) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, len(clients))
	for _, c := range clients {
		go func() {
			defer func() { done <- struct{}{} }()
			pause := time.NewTimer(0)
			defer pause.Stop()
			for ctx.Err() == nil {
				// Not with ctx: a call is not given up once it is under way.
				if c.send(context.WithoutCancel(ctx)) == nil {
					continue
				}
				pause.Reset(pollEvery)
				select {
				case <-pause.C:
				case <-ctx.Done():
				}
			}
		}()
	}
	return func() {
		cancel()
		for range clients {
			<-done
		}
	}
}
