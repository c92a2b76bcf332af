// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// A followed log shows every event once and in order, within one segment and from one to the next.
func TestShowFollows(t *testing.T) {
	for _, most := range []int64{0, 1} {
		t.Run(fmt.Sprintf("segments of %d bytes at most", most), func(t *testing.T) { showFollows(t, most) })
	}
}

func showFollows(t *testing.T, maxSegmentBytes int64) {
	dir := t.TempDir()
	s, err := keyfile.Create(filepath.Join(dir, "key.pem"), signing.Ed25519)
	require.NoError(t, err)
	w := newLog(t, filepath.Join(dir, "log"), s, maxSegmentBytes)
	add := func(n int) {
		r := plog.NewLogRecord()
		r.Attributes().PutStr("audit.record.id", fmt.Sprintf("id-%d", n))
		r.Attributes().PutStr("user.id", "alice")
		w.Records(r)
	}
	add(0)
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"show", filepath.Join(dir, "log"), "--follow", "--json", "--user", "alice"}, in, io.Discard)
	}()
	lines := bufio.NewScanner(out)
	for n := range 6 {
		if !lines.Scan() || !strings.Contains(lines.Text(), fmt.Sprintf(`"event_id":"id-%d"`, n)) {
			t.Fatalf("event %d: got %q, %v", n, lines.Text(), lines.Err())
		}
		if n < 5 {
			add(n + 1)
		}
	}
	cancel()
	assert.Equal(t, exitGood, <-done, "exit code")
	w.Close()
}
