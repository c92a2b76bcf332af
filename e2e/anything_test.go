// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
)

// Records of any kind that came in over OTLP come out of a replay as they were, in their
// order: every kind of value, every field.
func TestReplayGivesBackWhatCameIn(t *testing.T) {
	s := newSite(t, "")
	p := s.start(t)
	random := rand.New(rand.NewPCG(6, 5))
	var sent [][]byte
	for n := range 40 {
		logs := plog.NewLogs()
		for range 1 + random.IntN(3) {
			anyResource(random, logs.ResourceLogs().AppendEmpty(), "id-"+strconv.Itoa(n))
		}
		require.NoError(t, s.post(logs))
		sent = append(sent, oneByOne(t, logs)...)
	}
	// Only on the wire can a key come twice.
	twice, err := new(plog.JSONUnmarshaler).UnmarshalLogs([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1","attributes":[` +
		`{"key":"a","value":{"stringValue":"1"}},{"key":"b","value":{"intValue":"2"}},{"key":"a","value":{"boolValue":true}},{"key":"a","value":{}}]}]}]}]}`))
	require.NoError(t, err)
	require.NoError(t, s.post(twice))
	sent = append(sent, oneByOne(t, twice)...)
	p.stop(t)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var got kept
	server := grpc.NewServer()
	plogotlp.RegisterGRPCServer(server, &got)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	code, out := runAuditlog(t, "replay", s.log, "--endpoint", listener.Addr().String(), "--insecure", "--key", s.public, "--batch", "7")
	server.GracefulStop()
	require.NoError(t, <-served)
	require.Zero(t, code)
	assert.Contains(t, string(out), strconv.Itoa(len(sent))+" events acknowledged")

	var received [][]byte
	for _, logs := range got.requests {
		received = append(received, oneByOne(t, logs)...)
	}
	require.Len(t, received, len(sent))
	for i := range sent {
		if !bytes.Equal(received[i], sent[i]) {
			t.Fatalf("record %d came back as\n%s\nnot\n%s", i, inJSON(t, received[i]), inJSON(t, sent[i]))
		}
	}
}

// kept is a receiver that keeps what it is sent.
type kept struct {
	plogotlp.UnimplementedGRPCServer
	requests []plog.Logs
}

func (k *kept) Export(_ context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	logs := plog.NewLogs()
	request.Logs().CopyTo(logs)
	k.requests = append(k.requests, logs) // one client, which waits for each answer
	return plogotlp.NewExportResponse(), nil
}

// oneByOne returns each record with its resource and scope as it is on the wire, but
// for the order of keys, which means nothing.
func oneByOne(t *testing.T, logs plog.Logs) (all [][]byte) {
	t.Helper()
	for _, rl := range logs.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				one := plog.NewLogs()
				oneResource := one.ResourceLogs().AppendEmpty()
				rl.Resource().CopyTo(oneResource.Resource())
				oneResource.SetSchemaUrl(rl.SchemaUrl())
				oneScope := oneResource.ScopeLogs().AppendEmpty()
				sl.Scope().CopyTo(oneScope.Scope())
				oneScope.SetSchemaUrl(sl.SchemaUrl())
				record := oneScope.LogRecords().AppendEmpty()
				r.CopyTo(record)
				inOrder(oneResource.Resource().Attributes())
				inOrder(oneScope.Scope().Attributes())
				inOrder(record.Attributes())
				inOrderWithin(record.Body())
				wire, err := new(plog.ProtoMarshaler).MarshalLogs(one)
				require.NoError(t, err)
				all = append(all, wire)
			}
		}
	}
	return all
}

// inOrder sorts the keys of a map and of the maps in it.
func inOrder(m pcommon.Map) {
	sorted := pcommon.NewMap()
	keys := map[string]bool{}
	for key, value := range m.All() {
		inOrderWithin(value)
		keys[key] = true
	}
	if len(keys) < m.Len() {
		return // what comes twice is looked at as it comes
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value, _ := m.Get(key)
		value.CopyTo(sorted.PutEmpty(key))
	}
	sorted.CopyTo(m)
}

func inOrderWithin(v pcommon.Value) {
	switch v.Type() {
	case pcommon.ValueTypeMap:
		inOrder(v.Map())
	case pcommon.ValueTypeSlice:
		for _, one := range v.Slice().All() {
			inOrderWithin(one)
		}
	}
}

func inJSON(t *testing.T, wire []byte) string {
	t.Helper()
	logs, err := new(plog.ProtoUnmarshaler).UnmarshalLogs(wire)
	require.NoError(t, err)
	text, err := new(plog.JSONMarshaler).MarshalLogs(logs)
	require.NoError(t, err)
	return string(text)
}

var (
	oddTexts   = []string{"", "login", "\xff", "a\x00b", "\x1b[2J", "=1+1", "$int", "\u202e", "\u2028", "\ufffd", "\xed\xa0\x80", `"\`, strings.Repeat("x", 3000)}
	oddKeys    = []string{"", "a", "b", "$a", "$$", "$string", "$bytes", "\xff", "ü", "user.id", "audit.action", "audit.outcome", "client.address", "service.name", "audit.category"}
	oddNumbers = []uint64{0, 1, 1 << 31, 1<<53 - 1, 1 << 53, 1 << 63, math.MaxUint64}
	oddDoubles = []float64{0, math.Copysign(0, -1), 1.5, 1e300, 5e-324, math.Inf(1), math.Inf(-1), math.NaN(), 1 << 60}
)

func pick[T any](random *rand.Rand, of []T) T { return of[random.IntN(len(of))] }

func anyResource(random *rand.Rand, rl plog.ResourceLogs, id string) {
	rl.SetSchemaUrl(pick(random, oddTexts))
	anyMap(random, rl.Resource().Attributes(), 2)
	rl.Resource().SetDroppedAttributesCount(uint32(pick(random, oddNumbers)))
	for range 1 + random.IntN(2) {
		sl := rl.ScopeLogs().AppendEmpty()
		sl.SetSchemaUrl(pick(random, oddTexts))
		sl.Scope().SetName(pick(random, oddTexts))
		sl.Scope().SetVersion(pick(random, oddTexts))
		sl.Scope().SetDroppedAttributesCount(uint32(pick(random, oddNumbers)))
		anyMap(random, sl.Scope().Attributes(), 1)
		for i := range 1 + random.IntN(4) {
			anyRecord(random, sl.LogRecords().AppendEmpty(), id+"-"+strconv.Itoa(i)+"-"+strconv.FormatUint(random.Uint64(), 36))
		}
	}
}

func anyRecord(random *rand.Rand, r plog.LogRecord, id string) {
	r.SetTimestamp(pcommon.Timestamp(pick(random, oddNumbers)))
	r.SetObservedTimestamp(pcommon.Timestamp(pick(random, oddNumbers)))
	r.SetEventName(pick(random, oddTexts))
	r.SetSeverityNumber(plog.SeverityNumber(int32(pick(random, oddNumbers))))
	r.SetSeverityText(pick(random, oddTexts))
	r.SetFlags(plog.LogRecordFlags(uint32(pick(random, oddNumbers))))
	r.SetDroppedAttributesCount(uint32(pick(random, oddNumbers)))
	if random.IntN(2) == 0 {
		r.SetTraceID([16]byte{byte(random.Uint32()), 15: 1})
		r.SetSpanID([8]byte{byte(random.Uint32()), 7: 1})
	}
	anyValue(random, r.Body(), 3)
	anyMap(random, r.Attributes(), 3)
	if random.IntN(4) > 0 {
		r.Attributes().PutStr("audit.record.id", id)
	}
}

func anyMap(random *rand.Rand, m pcommon.Map, depth int) {
	for range random.IntN(5) {
		anyValue(random, m.PutEmpty(pick(random, oddKeys)), depth-1)
	}
}

// anyValue sets a value of any kind; maps and lists up to a depth.
func anyValue(random *rand.Rand, v pcommon.Value, depth int) {
	kinds := 8
	if depth <= 0 {
		kinds = 6
	}
	switch random.IntN(kinds) {
	case 0: // stays empty
	case 1:
		v.SetStr(pick(random, oddTexts))
	case 2:
		v.SetInt(int64(pick(random, oddNumbers)))
	case 3:
		v.SetDouble(pick(random, oddDoubles))
	case 4:
		v.SetBool(random.IntN(2) == 0)
	case 5:
		v.SetEmptyBytes().FromRaw([]byte(pick(random, oddTexts)))
	case 6:
		list := v.SetEmptySlice()
		for range random.IntN(4) {
			anyValue(random, list.AppendEmpty(), depth-1)
		}
	case 7:
		anyMap(random, v.SetEmptyMap(), depth)
	}
}
