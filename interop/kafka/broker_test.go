// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package kafka_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// Those of docs/kafka.md.
const (
	topic = "audit"
	group = "audit-log"
)

// perMessage is how many records a message holds.
const perMessage = 5

// broker is one in memory, with the topic and what a test has written to it.
type broker struct {
	cluster *kfake.Cluster
	client  *kgo.Client
	admin   *kadm.Client
	next    []int64 // the offset of each partition's next message
}

func newBroker(t *testing.T, partitions int32) *broker {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic), kfake.GroupMinSessionTimeout(time.Second))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return &broker{cluster: cluster, client: client, admin: kadm.NewClient(client), next: make([]int64, partitions)}
}

// idOf is the id of a record of the message at an offset.
func idOf(partition int, offset int64, record int) string {
	return fmt.Sprintf("%d-%d-%d", partition, offset, record)
}

// message makes one with the ids of an offset.
func message(t *testing.T, partition int, offset int64, body string) []byte {
	t.Helper()
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for i := range perMessage {
		r := records.AppendEmpty()
		r.SetTimestamp(1_795_000_000_000_000_000)
		r.Body().SetStr(body)
		r.Attributes().PutStr("audit.record.id", idOf(partition, offset, i))
	}
	b, err := new(plog.ProtoMarshaler).MarshalLogs(logs)
	require.NoError(t, err)
	return b
}

// send writes one message to a partition.
func (b *broker) send(t *testing.T, partition int, value []byte) {
	t.Helper()
	r, err := b.client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: int32(partition), Value: value}).First()
	require.NoError(t, err)
	require.Equal(t, b.next[partition], r.Offset, "the message for offset")
	b.next[partition]++
}

// produce writes so many messages to a partition.
func (b *broker) produce(t *testing.T, partition, n int) {
	t.Helper()
	for range n {
		b.send(t, partition, message(t, partition, b.next[partition], "as it was"))
	}
}

// produceAll writes so many messages to each partition.
func (b *broker) produceAll(t *testing.T, n int) {
	t.Helper()
	for partition := range b.next {
		b.produce(t, partition, n)
	}
}

// committed returns the group's offset in each partition.
func (b *broker) committed(t *testing.T) []int64 {
	t.Helper()
	at := make([]int64, len(b.next))
	offsets, err := b.admin.FetchOffsets(t.Context(), group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return at // nobody has joined it yet
	}
	require.NoError(t, err)
	for partition := range at {
		if o, found := offsets.Lookup(topic, int32(partition)); found {
			at[partition] = max(o.At, 0)
		}
	}
	return at
}

// check returns the committed offsets. All records before them must be in the logs, and
// none twice in the same.
func (b *broker) check(t *testing.T, logs ...string) (at []int64) {
	t.Helper()
	at = b.committed(t) // first: the logs may only have more
	found := map[string]bool{}
	for _, log := range logs {
		for id, times := range logged(t, log) {
			found[id] = true
			require.Equal(t, 1, times, "%s is in %s", id, log)
		}
	}
	for partition, end := range at {
		for offset := range end {
			for i := range perMessage {
				id := idOf(partition, offset, i)
				require.True(t, found[id], "offset %d of partition %d is committed, and %s is not in the log", end, partition, id)
			}
		}
	}
	return at
}

// logged returns how often each id is in the log, under a checkpoint.
func logged(t *testing.T, log string) map[string]int {
	t.Helper()
	times := map[string]int{}
	fsys := os.DirFS(log)
	listing, err := segment.List(fsys)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	for _, f := range listing.Segments {
		r, err := segment.Open(fsys, f.Name, -1)
		require.NoError(t, err)
		var open []string // since the last checkpoint
		for {
			line, err := r.Next()
			if err == io.EOF || errors.Is(err, segline.ErrPartial) {
				break
			}
			require.NoError(t, err)
			switch segment.KindOf(line) {
			case segline.KindCheckpoint:
				for _, id := range open {
					times[id]++
				}
				open = open[:0]
			case segline.KindEvent:
				parsed, err := segment.ParseEvent(nil, line)
				require.NoError(t, err)
				var s eventjson.Summary
				require.NoError(t, eventjson.Scan(parsed.Canonical, &s))
				if s.Log == nil {
					open = append(open, string(s.ID))
				}
			}
		}
		require.NoError(t, r.Close())
	}
	return times
}
