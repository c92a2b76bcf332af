// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/ingest"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sequence"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

const tenant = "tenant.id"

// site is a place with logs, and with what an ingester for them is made of.
type site struct {
	options ingest.Options
	common  rotation.Options
	mapping mapping.Config
	told    *told
}

func newSite(t testing.TB, changes ...func(*site)) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{mapping: mapping.Default(), told: &told{counts: map[string]int64{}}}
	s.options = ingest.Options{
		Layout:        ingest.Layout{Directory: filepath.Join(dir, "log"), StateDirectory: dir, Origin: "test.example/auditlog", MaxPartitions: 64},
		Limits:        ingest.Limits{MaxRecords: 100_000, MaxBytes: 64 << 20, MaxInFlightBytes: 256 << 20},
		MaxRemembered: 100_000,
		MaxStreams:    10_000,
		Observer:      s.told,
		Logger:        zap.NewNop(),
		Warnings:      zap.NewNop(),
	}
	s.common = rotation.Options{Signer: signingtest.New(t, signing.Ed25519), Scope: segline.ScopeEvent, Sync: true}
	for _, change := range changes {
		change(s)
	}
	var err error
	s.options.Mapper, err = mapping.NewMapper(s.mapping)
	require.NoError(t, err)
	return s
}

func divided(s *site) { s.options.Layout.PartitionBy = tenant }

func strict(s *site) { s.mapping.Strict = true }

func inScope(scope segline.Scope) func(*site) { return func(s *site) { s.common.Scope = scope } }

var bothScopes = []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint}

// start returns a started ingester, which is closed at the end of the test at the latest.
func (s *site) start(t testing.TB) *ingest.Ingester {
	t.Helper()
	i := ingest.New(s.options)
	require.NoError(t, i.Start(context.Background(), s.common, nil))
	t.Cleanup(func() { assert.NoError(t, i.Close(context.Background())) })
	return i
}

// directory is that of a partition's log, or of the only log.
func (s *site) directory(partition string) string {
	return filepath.Join(s.options.Layout.Directory, partition)
}

func (s *site) verify(t testing.TB, partition string) *verify.Report {
	t.Helper()
	report, err := verify.Log(context.Background(), os.DirFS(s.directory(partition)), verify.Options{Keys: []*signing.PublicKey{s.common.Signer.Public()}})
	require.NoError(t, err)
	require.False(t, report.TamperingDetected, "%+v", report.Findings)
	return report
}

// events returns those in a log: the records', and the log's own.
func (s *site) events(t testing.TB, partition string) (records, own []*event.Event) {
	t.Helper()
	fsys := os.DirFS(s.directory(partition))
	listing, err := segment.List(fsys)
	require.NoError(t, err)
	for _, file := range listing.Segments {
		r, err := segment.Open(fsys, file.Name, file.Size)
		require.NoError(t, err)
		for {
			line, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if segment.KindOf(line) != segline.KindEvent {
				continue
			}
			parsed, err := segment.ParseEvent(nil, line)
			require.NoError(t, err)
			e, err := event.Parse(parsed.Canonical)
			require.NoError(t, err)
			if e.Log == nil {
				records = append(records, e)
			} else {
				own = append(own, e)
			}
		}
		require.NoError(t, r.Close())
	}
	return records, own
}

// ids returns the ids of the records in a log.
func (s *site) ids(t testing.TB, partition string) (ids []string) {
	t.Helper()
	records, _ := s.events(t, partition)
	for _, e := range records {
		ids = append(ids, e.EventID)
	}
	return ids
}

// refused is what an event of the log's own says of a refused record.
type refused struct {
	Count          uint64
	EventID        string `json:"event_id"`
	Reason, Record string
	SHA256         string
}

// refused returns what a log says of refused records.
func (s *site) refused(t testing.TB, partition string) (all []refused) {
	t.Helper()
	_, own := s.events(t, partition)
	for _, e := range own {
		var log struct {
			Action  string
			Refused refused
		}
		require.NoError(t, json.Unmarshal(e.Log, &log))
		if log.Action == "refused" || log.Action == "refused_suppressed" {
			assert.Equal(t, event.LevelWarning, e.Level)
			all = append(all, log.Refused)
		}
	}
	return all
}

// told is an observer that counts what it is told.
type told struct {
	mu     sync.Mutex
	counts map[string]int64
}

func (o *told) count(n int64, what ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n != 0 {
		o.counts[fmt.Sprint(what...)] += n
	}
}

func (o *told) all() map[string]int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.counts)
}

func (o *told) Log(partition string) ingest.LogObserver { return toldOfLog{o, partition} }

func (o *told) Refused(reason string, records int) { o.count(int64(records), "refused ", reason) }

func (o *told) Partial() { o.count(1, "partial") }

func (o *told) Partitions(int) {}

func (o *told) Overflowed(records int) { o.count(int64(records), "overflowed") }

func (o *told) Signed(err error) {
	if err != nil {
		o.count(1, "unsigned")
	}
}

// toldOfLog is the observer of one log. What it counts is not told apart by log, but for faults.
type toldOfLog struct {
	*told
	partition string
}

func (o toldOfLog) ShareRefused(reason string, records int) { o.told.Refused(reason, records) }

func (o toldOfLog) ShareWritten(w ingest.Written) {
	o.count(w.Unmapped, "unmapped")
	for status, n := range w.Proofs {
		o.count(n, "proofs ", status)
	}
	for reason, n := range w.Refused {
		o.count(int64(n), "refused ", reason)
	}
}

func (o toldOfLog) Sequences(found map[sequence.Kind]int64, forgotten int) {
	for kind, n := range found {
		o.count(n, "sequence ", kind)
	}
	o.count(int64(forgotten), "forgotten")
}

func (o toldOfLog) Receipts(r issuer.Result) { o.count(r.Receipts, "receipts") }

func (o toldOfLog) ReceiptsFault(err error) { o.fault("receipts", err) }

func (o toldOfLog) Committed(c rotation.Commit) { o.count(int64(c.Events), "events") }

func (o toldOfLog) Refused(rotation.Reason, int, int) {}

func (o toldOfLog) Repeats(repeats, conflicts int) {
	o.count(int64(repeats), "repeats")
	o.count(int64(conflicts), "conflicts")
}

func (o toldOfLog) SegmentsChanged(int, int64) {}

func (o toldOfLog) FreeSpace(uint64) {}

func (o toldOfLog) Fault(err error) { o.fault("log", err) }

func (o toldOfLog) Healthy() { o.fault("log", nil) }

func (o toldOfLog) WitnessReplied(cosigning.Reply) {}

func (o toldOfLog) Witnessed(uint64) {}

func (o toldOfLog) WitnessesFault(err error) { o.fault("witnesses", err) }

func (o toldOfLog) StateFault(err error) { o.fault("state", err) }

func (o toldOfLog) fault(of string, err error) {
	if err != nil {
		o.count(1, "fault of ", of, " ", o.partition)
	}
}

// record appends a record that states all that a strict mapping asks for.
func record(scope plog.ScopeLogs, id string) plog.LogRecord {
	r := scope.LogRecords().AppendEmpty()
	r.SetTimestamp(1_795_000_000_000_000_000)
	r.SetEventName("user.login")
	a := r.Attributes()
	a.PutStr("audit.record.id", id)
	a.PutStr("audit.target.type", "host")
	a.PutStr("audit.target.id", "web-1")
	a.PutStr("user.id", "alice")
	return r
}

// add appends a resource of a tenant, nil for none, with a record for each id.
func add(logs plog.Logs, of any, ids ...string) plog.Logs {
	resource := logs.ResourceLogs().AppendEmpty()
	if of != nil {
		_ = resource.Resource().Attributes().PutEmpty(tenant).FromRaw(of)
	}
	scope := resource.ScopeLogs().AppendEmpty()
	for _, id := range ids {
		record(scope, id)
	}
	return logs
}

func several(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%05d", prefix, i)
	}
	return ids
}
