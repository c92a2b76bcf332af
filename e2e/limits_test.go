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

// bomb is a request of so many empty records, of two bytes each, in gzip.
func bomb(t *testing.T, records int) []byte {
	t.Helper()
	scope := bytes.Repeat(protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), nil), records)
	resource := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), scope)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), resource))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.Bytes()
}

// A request that is small on the wire and large in the log is refused for good before it takes
// much, however often it comes; the largest that is taken costs what its limits say.
func TestRequestsThatGrow(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	p := s.start(t)
	post := func(body []byte) (int, string) {
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
