// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package logtest writes logs for tests, and reads them back. A Log is written by the writer that
// writes all others; a Copy is such a log in memory, to be changed; a Forger puts one together
// line by line, so that it can hold what no writer writes.
package logtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Origin is that of a log whose options name no other.
const Origin = "test.example/auditlog"

// T is a test, a benchmark, a property or a script.
type T = require.TestingT

// Log is a log that a test writes to. Commit, Add, Records and Canonical each make one commit.
type Log struct {
	// Options take effect when the log is opened.
	Options rotation.Options
	// Writer is nil while the log is closed.
	Writer *rotation.Log
	// IDs are those of the events that Commit and Add have added, in order.
	IDs []string

	t       T
	encoder *mapping.Encoder
	told    *observer
}

// New opens a log. Where the options say nothing, it is in a new directory, of scope checkpoint, and
// has a fresh key. It is closed at the end of the test at the latest. Only of a T that is a
// testing.TB the directory may be left out, and only its log is closed.
func New(t T, o rotation.Options) *Log {
	helper(t)
	l := Closed(t, o)
	l.Open()
	return l
}

// Closed returns a log as New does, which has not been opened yet.
func Closed(t T, o rotation.Options) *Log {
	helper(t)
	tb, _ := t.(testing.TB)
	if o.Directory == "" && o.FS == nil {
		o.Directory = filepath.Join(tb.TempDir(), "log")
	}
	if o.Origin == "" {
		o.Origin = Origin
	}
	if o.Scope == "" {
		o.Scope = segline.ScopeCheckpoint
	}
	if o.Signer == nil {
		o.Signer = signingtest.New(t, signing.Ed25519)
	}
	encoder, err := mapping.NewEncoder(mapping.Default())
	require.NoError(t, err)
	encoder.SetResource(pcommon.NewResource(), "")
	encoder.SetScope(pcommon.NewInstrumentationScope(), "")
	l := &Log{Options: o, t: t, encoder: encoder, told: &observer{changed: make(chan struct{}, 1)}}
	if tb != nil {
		tb.Cleanup(func() {
			if l.Writer != nil {
				assert.NoError(t, l.Writer.Close(context.Background()))
			}
		})
	}
	return l
}

// Open opens the log if it is closed.
func (l *Log) Open() {
	helper(l.t)
	if l.Writer != nil {
		return
	}
	o := l.Options
	if l.told.Observer = o.Observer; o.Observer == nil {
		l.told.Observer = Quiet{}
	}
	o.Observer = l.told
	var err error
	l.Writer, err = rotation.Open(context.Background(), o)
	require.NoError(l.t, err)
}

// Close closes the log if it is open.
func (l *Log) Close() {
	helper(l.t)
	if l.Writer != nil {
		w := l.Writer
		l.Writer = nil
		require.NoError(l.t, w.Close(context.Background()))
	}
}

// Reopen closes the log and opens it again.
func (l *Log) Reopen() {
	helper(l.t)
	l.Close()
	l.Open()
}

// Public is the key that the log is checked with if its options have not been changed.
func (l *Log) Public() *signing.PublicKey { return l.Options.Signer.Public() }

// Newest describes the newest commit since the log was first opened.
func (l *Log) Newest() rotation.Commit { return l.told.newest() }

// Active is the path of the segment that the newest commit is in.
func (l *Log) Active() string { return filepath.Join(l.Options.Directory, l.Newest().Segment) }

// Files returns a copy of the log's files.
func (l *Log) Files() fstest.MapFS {
	helper(l.t)
	return Files(l.t, l.Options.Directory)
}

// Commit commits n events, with ids that count on: id-0, id-1, ….
func (l *Log) Commit(n int) {
	helper(l.t)
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint("id-", len(l.IDs)+i)
	}
	l.Add(ids...)
}

// Add commits an event with each of these ids.
func (l *Log) Add(ids ...string) {
	helper(l.t)
	require.NoError(l.t, l.TryAdd(ids...))
}

// TryAdd is Add for a test that expects an error, or adds from another goroutine than its own.
func (l *Log) TryAdd(ids ...string) error {
	records := make([]plog.LogRecord, len(ids))
	for i, id := range ids {
		records[i] = Record(id)
	}
	if err := l.append(l.encodings(records)); err != nil {
		return err
	}
	l.IDs = append(l.IDs, ids...)
	return nil
}

// Records commits the event of each record.
func (l *Log) Records(records ...plog.LogRecord) {
	helper(l.t)
	require.NoError(l.t, l.append(l.encodings(records)))
}

// Canonical commits events that are in canonical JSON already.
func (l *Log) Canonical(events ...[]byte) {
	helper(l.t)
	encodings := make([]encoding, len(events))
	for i, e := range events {
		encodings[i] = func(dst []byte) ([]byte, uint64, error) { return append(dst, e...), uint64(recorded), nil }
	}
	require.NoError(l.t, l.append(encodings))
}

// encoding is what AddTo takes.
type encoding = func(dst []byte) ([]byte, uint64, error)

func (l *Log) encodings(records []plog.LogRecord) []encoding {
	all := make([]encoding, len(records))
	for i, r := range records {
		all[i] = func(dst []byte) ([]byte, uint64, error) {
			dst, info, err := l.encoder.Append(dst, r)
			return dst, info.Time, err
		}
	}
	return all
}

// append commits events, again with the next key if the key changes meanwhile.
func (l *Log) append(events []encoding) error {
	for {
		err := l.appendOnce(events)
		if !errors.Is(err, rotation.ErrKeyChanged) {
			return err
		}
	}
}

func (l *Log) appendOnce(events []encoding) error {
	b := l.Writer.NewBatch()
	defer b.Release()
	for _, e := range events {
		if err := l.AddTo(b, e); err != nil {
			return err
		}
	}
	_, err := l.Writer.Append(context.Background(), b)
	return err
}

// AddTo adds an event to a batch of the log's Writer, signed if the scope asks for it. The encoding
// appends the event in canonical JSON, and returns its time.
func (l *Log) AddTo(b *stage.Batch, encode func(dst []byte) ([]byte, uint64, error)) error {
	if l.Options.Scope != segline.ScopeEvent {
		return b.Add(encode, nil, "")
	}
	s := l.Writer.Signer()
	return b.Add(encode, l.Writer.Sign(s), s.Public().ID())
}

// Encode returns the event of a record, in canonical JSON.
func (l *Log) Encode(r plog.LogRecord) []byte {
	helper(l.t)
	canonical, _, err := l.encoder.Append(nil, r)
	require.NoError(l.t, err)
	return canonical
}

// Settle waits until sealed segments are compressed, and those deleted that retention by size does
// not keep.
func (l *Log) Settle() {
	helper(l.t)
	for l.unsettled() {
		<-l.told.changed
	}
}

func (l *Log) unsettled() bool {
	helper(l.t)
	listing, err := segment.List(os.DirFS(l.Options.Directory))
	require.NoError(l.t, err)
	plain, total := 0, int64(0)
	for _, f := range listing.Segments {
		if f.Parsed.Compression == compression.None {
			plain++
		}
		total += f.Size
	}
	o := l.Options
	return o.Compression != "" && o.Compression != compression.None && plain > 1 ||
		o.Retention.MaxTotalBytes > 0 && total > o.Retention.MaxTotalBytes ||
		o.Retention.MaxSegments > 0 && len(listing.Segments) > o.Retention.MaxSegments
}

// helper marks the caller as a helper of a test's, where t knows of such.
func helper(t T) {
	if t, ok := t.(interface{ Helper() }); ok {
		t.Helper()
	}
}
