// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A request in flight finishes before the logs close, if the host gives it the time.
func TestRequestsInFlightFinish(t *testing.T) {
	var f inFlight
	require.ErrorIs(t, f.enter(), errNotRunning)
	f.open()
	require.NoError(t, f.enter())
	require.NoError(t, f.enter())

	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, f.close(impatient), context.Canceled)
	require.ErrorIs(t, f.enter(), errNotRunning)

	closed := make(chan error)
	go func() { closed <- f.close(context.Background()) }()
	f.leave()
	select {
	case <-closed:
		t.Fatal("closed with a request in flight")
	default:
	}
	f.leave()
	require.NoError(t, <-closed)
	require.NoError(t, f.close(t.Context()))
}
