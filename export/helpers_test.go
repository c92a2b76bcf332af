// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/export"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

const origin = "export.example/auditlog"

// logID is the id of all logs here.
var logID = signing.LogID{1, 2, 3}

var created = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// signer returns a signer that is the same in every run.
func signer(t require.TestingT) *signing.Signer {
	s, err := signing.NewSigner(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)), nil)
	require.NoError(t, err)
	return s
}

// madeLog is a log that is put together line by line, so that tests can take any
// part of it: the same bytes in every run.
type madeLog struct {
	t       require.TestingT
	signer  *signing.Signer
	encoder *mapping.Encoder

	files   fstest.MapFS
	names   []string
	tree    merkle.Frontier
	commits uint64
	// lines are those of the segment at hand.
	lines bytes.Buffer
	// canonical are all events, by leaf index.
	canonical map[uint64][]byte
}

func newLog(t require.TestingT) *madeLog {
	encoder, err := mapping.NewEncoder(mapping.Default())
	require.NoError(t, err)
	l := &madeLog{t: t, signer: signer(t), encoder: encoder, files: fstest.MapFS{}, canonical: map[uint64][]byte{}}
	l.segment()
	return l
}

// segment begins a segment.
func (l *madeLog) segment() {
	l.save()
	h := segment.Header{
		Origin: origin, Log: logID, Retain: created, FirstIndex: l.tree.Size(), Frontier: l.tree.Hashes(), Created: created, Scope: segline.ScopeEvent,
		Keys: []segline.Key{segline.KeyOf(l.signer.Public())},
	}
	l.names = append(l.names, segment.Name{FirstIndex: h.FirstIndex, Created: created, Compression: compression.None}.String())
	l.lines.Reset()
	l.leaf(h.AppendTo(nil))
}

func (l *madeLog) leaf(line []byte) {
	l.tree.Append(merkle.LeafHash(line))
	l.lines.Write(line)
	l.lines.WriteByte('\n')
}

// save puts the segment at hand into its file.
func (l *madeLog) save() {
	if len(l.names) > 0 {
		l.files[l.names[len(l.names)-1]] = &fstest.MapFile{Data: bytes.Clone(l.lines.Bytes()), Mode: 0o600}
	}
}

// event adds an event.
func (l *madeLog) event(canonical []byte) {
	signature, err := l.signer.SignEvent(origin, logID, canonical)
	require.NoError(l.t, err)
	l.canonical[l.tree.Size()] = bytes.Clone(canonical)
	line := append(segline.AppendEventStart(nil), canonical...)
	l.leaf(segline.AppendSignature(line, signature, l.signer.Public().ID()))
}

// record adds the event for each record.
func (l *madeLog) record(logs plog.Logs) {
	for _, rl := range logs.ResourceLogs().All() {
		l.encoder.SetResource(rl.Resource(), rl.SchemaUrl())
		for _, sl := range rl.ScopeLogs().All() {
			l.encoder.SetScope(sl.Scope(), sl.SchemaUrl())
			for _, r := range sl.LogRecords().All() {
				canonical, _, err := l.encoder.Append(nil, r)
				require.NoError(l.t, err)
				l.event(canonical)
			}
		}
	}
}

// own adds an event of the log's own.
func (l *madeLog) own(action string) {
	l.event(ownevent.AppendOwn(nil, ownevent.Own{
		ID: "own-" + action, Time: created, Origin: origin, Level: event.LevelInfo, Action: action, Detail: fmt.Appendf(nil, `{"action":%q}`, action),
	}))
}

// replacement adds an event that stands for one that was too long.
func (l *madeLog) replacement() {
	logs := login("long", "alice")
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr(strings.Repeat("long ", 1000))
	from := newLog(l.t)
	from.record(logs)
	canonical, err := eventjson.Replace(nil, from.canonical[1], 4000)
	require.NoError(l.t, err)
	l.event(canonical)
}

// refused adds an event of the log's own about a record that it has not taken.
func (l *madeLog) refused() {
	l.event(ownevent.AppendOwn(nil, ownevent.Own{
		ID: "own-refused", Time: created, Origin: origin, Level: event.LevelWarning, Action: "refused",
		Detail: []byte(`{"action":"refused","refused":{"event_id":"huge","reason":"too_large","record":"resource 0, scope 0, record 3","sha256":"` + strings.Repeat("5e", 32) + `"}}`),
	}))
}

// commit adds a commit line and a checkpoint, and returns that.
func (l *madeLog) commit() signing.Checkpoint {
	l.commits++
	l.leaf(segline.AppendCommit(nil, l.commits, created.Add(time.Duration(l.commits)*time.Hour), nil))
	note, err := signing.SignCheckpoint(origin, l.tree.Size(), l.tree.Root(), l.signer)
	require.NoError(l.t, err)
	l.lines.Write(append(segline.AppendCheckpoint(nil, note), '\n'))
	l.save()
	c, err := signing.ParseCheckpoint(note)
	require.NoError(l.t, err)
	return c
}

// login makes a record of a user's login.
func login(id, user string) plog.Logs {
	logs := plog.NewLogs()
	r := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetTimestamp(pcommon.NewTimestampFromTime(created))
	r.SetEventName("user.login")
	r.Attributes().PutStr("audit.record.id", id)
	r.Attributes().PutStr("user.id", user)
	return logs
}

// threeSegments returns a log of three segments with two events each, and its newest
// checkpoint.
func threeSegments(t require.TestingT) (*madeLog, signing.Checkpoint) {
	l := newLog(t)
	l.own("opened")
	l.record(login("a", "alice"))
	l.commit()
	l.segment()
	l.record(login("b", "bob"))
	l.record(login("c", "carol"))
	l.commit()
	l.segment()
	l.record(login("d", "dave"))
	l.record(login("e", "eve"))
	return l, l.commit()
}

// write exports the events of a log in a form.
func write(t *testing.T, l *madeLog, c signing.Checkpoint, format string) (text string, w export.Writer) {
	t.Helper()
	var b strings.Builder
	w, err := export.NewWriter(format, &b, c)
	require.NoError(t, err)
	require.NoError(t, export.Read(t.Context(), l.files, export.Options{Checkpoint: c}, w.Write))
	require.NoError(t, w.Flush())
	return b.String(), w
}
