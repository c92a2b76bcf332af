// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package kafka_test shows with the receiver of collector-contrib and a broker in memory
// that offsets are committed only when what they stand for is in the audit log.
package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kafkareceiver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

const (
	topic      = "audit"
	group      = "audit-log"
	perMessage = 5
	waitAtMost = time.Minute
	pollEvery  = 10 * time.Millisecond
)

// pipeline is the receiver with the exporter behind it, as docs/fleet.md has them.
type pipeline struct {
	receiver.Logs
	exporter exporter.Logs
	refused  *atomic.Int64
}

// counting counts what the exporter refuses.
type counting struct {
	exporter.Logs
	refused *atomic.Int64
}

func (c counting) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	err := c.Logs.ConsumeLogs(ctx, logs)
	if err != nil {
		c.refused.Add(1)
	}
	return err
}

var _ consumer.Logs = counting{}

func startPipeline(t *testing.T, dir string, brokers []string) *pipeline {
	t.Helper()
	ctx := context.Background()
	f := auditlogexporter.NewFactory()
	c := f.CreateDefaultConfig()
	unmarshal(t, map[string]any{
		"directory": filepath.Join(dir, "log"), "origin": "kafka.example/auditlog",
		"signing": map[string]any{"key_file": filepath.Join(dir, "key.pem"), "scope": "checkpoint"},
	}, c)
	e, err := f.CreateLogs(ctx, exportertest.NewNopSettings(f.Type()), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx, componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	p := &pipeline{exporter: e, refused: new(atomic.Int64)}
	k := kafkareceiver.NewFactory()
	kc := k.CreateDefaultConfig()
	unmarshal(t, map[string]any{
		"brokers": brokers, "group_id": group, "initial_offset": "earliest",
		"logs":            map[string]any{"topics": []string{topic}},
		"autocommit":      map[string]any{"interval": "100ms"},
		"message_marking": map[string]any{"after": true},
		"error_backoff":   map[string]any{"enabled": true, "initial_interval": "20ms", "multiplier": 1.5, "max_interval": "50ms", "max_elapsed_time": "0s"},
	}, kc)
	p.Logs, err = k.CreateLogs(ctx, receivertest.NewNopSettings(k.Type()), kc, counting{e, p.refused})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(ctx, componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pipeline) stop(t *testing.T) {
	t.Helper()
	if err := errors.Join(p.Shutdown(context.Background()), p.exporter.Shutdown(context.Background())); err != nil {
		t.Error(err)
	}
}

func unmarshal(t *testing.T, settings map[string]any, into any) {
	t.Helper()
	conf := confmap.NewFromStringMap(settings)
	if err := conf.Unmarshal(into); err != nil {
		t.Fatal(err)
	}
	if err := confmap.Validate(into); err != nil {
		t.Fatal(err)
	}
}

// produce writes so many messages, the first of which has number first.
func produce(t *testing.T, client *kgo.Client, first, n int) {
	t.Helper()
	for i := first; i < first+n; i++ {
		logs := plog.NewLogs()
		records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		for j := range perMessage {
			r := records.AppendEmpty()
			r.SetTimestamp(1_795_000_000_000_000_000)
			r.Attributes().PutStr("audit.record.id", fmt.Sprintf("%04d-%d", i, j))
		}
		b, err := new(plog.ProtoMarshaler).MarshalLogs(logs)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: b}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// logged returns how often each id is in the log.
func logged(t *testing.T, log string) map[string]int {
	t.Helper()
	times := map[string]int{}
	fsys := os.DirFS(log)
	listing, err := segment.List(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range listing.Segments {
		r, err := segment.Open(fsys, f.Name, -1)
		if err != nil {
			t.Fatal(err)
		}
		for {
			line, err := r.Next()
			if err == io.EOF || errors.Is(err, segment.ErrPartialLine) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if segment.KindOf(line) != segment.KindEvent {
				continue
			}
			parsed, err := segment.ParseEvent(line)
			if err != nil {
				t.Fatal(err)
			}
			var s event.Summary
			if err := event.Scan(parsed.Canonical, &s); err != nil {
				t.Fatal(err)
			}
			if s.Log == nil {
				times[string(s.ID)]++
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return times
}

// committed returns the group's offset.
func committed(t *testing.T, admin *kadm.Client) int64 {
	t.Helper()
	offsets, err := admin.FetchOffsets(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	o, found := offsets.Lookup(topic, 0)
	if !found {
		return 0
	}
	return max(o.At, 0)
}

// eventually waits for what must come true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(waitAtMost)
	defer deadline.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for !done() {
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestOffsetsFollowTheLog(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	dir := t.TempDir()
	log := filepath.Join(dir, "log")

	// reaches waits for an offset. Whatever is committed on the way is in the log.
	reaches := func(offset int64) {
		t.Helper()
		eventually(t, fmt.Sprintf("offset %d is committed", offset), func() bool {
			at := committed(t, admin)
			times := logged(t, log)
			for i := range at {
				for j := range perMessage {
					if id := fmt.Sprintf("%04d-%d", i, j); times[id] != 1 {
						t.Fatalf("offset %d is committed, and %s is in the log %d times", at, id, times[id])
					}
				}
			}
			return at == offset
		})
	}

	p := startPipeline(t, dir, cluster.ListenAddrs())
	produce(t, client, 0, 100)
	reaches(100)

	// The log cannot be written: nothing is committed, however often it is tried, and nothing
	// is passed over once it can be.
	away := filepath.Join(dir, "away")
	if err := os.Rename(log, away); err != nil {
		t.Fatal(err)
	}
	before := p.refused.Load()
	produce(t, client, 100, 20)
	eventually(t, "calls are refused", func() bool { return p.refused.Load() >= before+20 })
	if at := committed(t, admin); at != 100 {
		t.Errorf("offset %d is committed", at)
	}
	if err := os.Rename(away, log); err != nil {
		t.Fatal(err)
	}
	reaches(120)
	p.stop(t)

	// A collector that was killed before it could commit gets messages again; the log has
	// each record once.
	if err := admin.CommitAllOffsets(t.Context(), group, kadm.OffsetsFromRecords(kgo.Record{Topic: topic, Offset: 9})); err != nil {
		t.Fatal(err)
	}
	if at := committed(t, admin); at != 10 {
		t.Fatalf("offset %d is committed", at)
	}
	p = startPipeline(t, dir, cluster.ListenAddrs())
	produce(t, client, 120, 5)
	reaches(125)
	p.stop(t)

	times := logged(t, log)
	if len(times) != 125*perMessage {
		t.Errorf("%d records are in the log", len(times))
	}
	key, err := signing.LoadPublicKey(filepath.Join(dir, "key.pub.pem"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.Log(t.Context(), os.DirFS(log), verify.Options{Keys: []*signing.PublicKey{key}})
	if err != nil || report.TamperingDetected {
		t.Errorf("%+v, %v", report, err)
	}
	for _, f := range report.Findings {
		if f.Kind == verify.DuplicateEventID {
			t.Errorf("%+v", f)
		}
	}
}
