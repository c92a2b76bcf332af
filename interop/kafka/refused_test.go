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
)

// freeAddress finds one that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// metric returns the lines of a metric, without what tells the collector.
func (c *collector) metric(t *testing.T, name string) (values []string) {
	t.Helper()
	response, err := http.Get("http://" + c.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
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
		if n := c.metric(t, "otelcol_exporter_auditlog_refused_batches"); !slices.Equal(n, []string{"1"}) {
			t.Errorf("%s calls are counted as refused", n)
		}
		p.stop(t)
		if at := b.check(t, c.log); at[0] != 1 {
			t.Fatalf("offset %d is committed", at[0])
		}
		if logged(t, c.log)[idOf(0, 3, 0)] != 0 {
			t.Error("the message was passed over")
		}
	}

	c.receiver = "message_marking: {on_permanent_error: true}"
	p := c.start(t)
	await(t, "all is committed", func() bool { return slices.Equal(b.committed(t), b.next) }, p)
	for _, offset := range []string{`"offset": 1}`, `"offset": 2}`} {
		if n := strings.Count(p.output.String(), offset); p.says(skipped) != 2 || n == 0 {
			t.Errorf("that the message %s was passed over is said %d times", offset, n)
		}
	}
	// The exporter has not seen what is no OTLP.
	for name, want := range map[string]string{"otelcol_exporter_auditlog_refused_batches": "1", "otelcol_exporter_auditlog_refused_events": "5", "otelcol_kafka_receiver_unmarshal_failed_log_records": "1"} {
		if n := c.metric(t, name); !slices.Equal(n, []string{want}) {
			t.Errorf("%s is %s", name, n)
		}
	}
	p.stop(t)
	times := logged(t, c.log)
	for i := range perMessage {
		for _, offset := range []int64{0, 3} {
			if n := times[idOf(0, offset, i)]; n != 1 {
				t.Errorf("record %d of message %d is in the log %d times", i, offset, n)
			}
		}
	}
	c.verify(t)
}
