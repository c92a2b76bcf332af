// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package kafka_test

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// freeAddress finds one that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// metric returns the lines of a metric, without what tells the collector.
func (c *collector) metric(t *testing.T, name string) (values []string) {
	t.Helper()
	response, err := http.Get("http://" + c.metrics + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, name) {
			values = append(values, line[strings.LastIndexByte(line, ' ')+1:len(line)-1])
		}
	}
	return values
}

// What is refused for good, and what is no OTLP, halts its partition, there and after a
// restart, and no other; or is passed over, and then it alone.
func TestMessagesThatAreRefusedForGood(t *testing.T) {
	t.Parallel()
	b := newBroker(t, 2)
	c := newCollector(t, b)
	c.metrics = freeAddress(t)
	b.produce(t, 0, 1)
	b.send(t, 0, message(t, 0, 0, "as somebody would have it")) // the ids of what is known
	b.send(t, 0, []byte("{not OTLP}"))
	b.produce(t, 0, 1)

	const (
		paused  = "pausing partition due to permanent processing error"
		skipped = "failed to consume message, skipping"
	)
	for range 2 {
		p := c.start(t)
		await(t, "the partition is halted", func() bool { return p.says(paused) > 0 }, p)
		b.produce(t, 1, 5)
		await(t, "the other partition goes on", func() bool { return b.committed(t)[1] == b.next[1] }, p)
		assert.Equal(t, []string{"1"}, c.metric(t, "otelcol_exporter_auditlog_refused_batches"), "calls are counted as refused")
		p.stop(t)
		require.Equal(t, int64(1), b.check(t, c.log)[0], "offset")
		assert.Zero(t, logged(t, c.log)[idOf(0, 3, 0)], "the message was passed over")
	}

	c.receiver = "message_marking: {on_permanent_error: true}"
	p := c.start(t)
	await(t, "all is committed", func() bool { return slices.Equal(b.committed(t), b.next) }, p)
	for _, offset := range []string{`"offset": 1}`, `"offset": 2}`} {
		assert.Equal(t, 2, p.says(skipped), "that the message %s was passed over is", offset)
		assert.NotZero(t, strings.Count(p.output.String(), offset), "that the message %s was passed over is", offset)
	}
	// The exporter has not seen what is no OTLP.
	for name, want := range map[string]string{"otelcol_exporter_auditlog_refused_batches": "1", "otelcol_exporter_auditlog_refused_events": "5", "otelcol_kafka_receiver_unmarshal_failed_log_records": "1"} {
		assert.Equal(t, []string{want}, c.metric(t, name), name)
	}
	p.stop(t)
	times := logged(t, c.log)
	for i := range perMessage {
		for _, offset := range []int64{0, 3} {
			assert.Equal(t, 1, times[idOf(0, offset, i)], "record %d of message %d is in the log", i, offset)
		}
	}
	c.verify(t)
}
