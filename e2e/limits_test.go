// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// peakMemory returns the most memory that a process has held, in bytes.
func (p *process) peakMemory(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(b), "VmHWM:")
	require.True(t, found)
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return kib << 10
}

// postGzip sends a request that is packed with gzip.
func postGzip(t *testing.T, s *site, body []byte) (int, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, "http://"+s.http+"/v1/logs", bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.Header.Set("Content-Encoding", "gzip")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}

// packed packs a request with gzip.
func packed(t *testing.T, request []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(request)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.Bytes()
}

// bomb is a request of so many empty records, of two bytes each, in gzip.
func bomb(t *testing.T, records int) []byte {
	t.Helper()
	scope := bytes.Repeat(protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), nil), records)
	resource := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), scope)
	return packed(t, protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), resource))
}

// nested is a request of a record whose body is as deep as so many bytes allow: messages in one
// another, in fields that are named from the outermost one.
func nested(size int, fields ...protowire.Number) []byte {
	b := make([]byte, size)
	at := size
	wrap := func(field protowire.Number) bool {
		head := protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(size-at))
		if at < len(head) {
			return false
		}
		at -= len(head)
		copy(b[at:], head)
		return true
	}
	const room = 64 // for the record and what holds it
	for at > room {
		for i := len(fields) - 1; i >= 0; i-- {
			wrap(fields[i])
		}
	}
	for _, field := range []protowire.Number{5, 2, 2, 1} { // body, record, scope, resource
		wrap(field)
	}
	return b[at:]
}

// The receiver decodes what is nested by calling itself. Within the 4 MiB that OTLP over gRPC
// takes by default, and which README asks for at the most, that ends well: the record is too
// deep, and refused alone.
func TestRequestsThatAreDeep(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	p := s.start(t)
	for name, fields := range map[string][]protowire.Number{"arrays": {5, 1}, "maps": {6, 1, 2}} {
		code, answer := postGzip(t, s, packed(t, nested(4<<20, fields...)))
		assert.Equal(t, http.StatusInternalServerError, code, "%s: OTLP: not to be sent again", name)
		assert.Contains(t, answer, "nested too deeply", name)
	}
	t.Logf("%d MB of memory", p.peakMemory(t)/1e6)
	p.stop(t)
	code, report := runVerify(t, s.log, "--key", s.public)
	require.Zero(t, code, "%+v", report)
	assert.Zero(t, report.TotalEvents-report.OwnEvents)
}

// A request that is small on the wire and large in the log is refused for good before it takes
// much, however often it comes; the largest that is taken costs what its limits say.
func TestRequestsThatGrow(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	p := s.start(t)
	post := func(body []byte) (int, string) { return postGzip(t, s, body) }
	before := p.peakMemory(t)
	large := bomb(t, 400_000)
	require.Less(t, len(large), 3000)
	for range 5 {
		code, answer := post(large)
		assert.Equal(t, http.StatusInternalServerError, code, "OTLP: not to be sent again")
		assert.Contains(t, answer, "limits::max_records")
	}
	refused := p.peakMemory(t) - before
	t.Logf("refused: %d bytes on the wire, %d MB of memory more", len(large), refused/1e6)
	assert.Less(t, refused, 250_000_000)
	assert.Empty(t, shownIDs(t, s.log))

	code, answer := post(bomb(t, 100_000))
	require.Equal(t, http.StatusOK, code, answer)
	taken := p.peakMemory(t) - before
	t.Logf("taken: %d MB of memory more", taken/1e6)
	assert.Less(t, taken, 500_000_000)
	p.stop(t)
	code, report := runVerify(t, s.log, "--key", s.public)
	require.Zero(t, code, "%+v", report)
	assert.EqualValues(t, 100_000, report.TotalEvents-report.OwnEvents)
}
