// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/stage"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// What the log says of records that it refused, and keeps of an event that it replaced, is
// shown, as values that forge nothing.
func TestRefusedAndReplacedAreShown(t *testing.T) {
	dir := t.TempDir()
	s, err := keyfile.Create(filepath.Join(dir, "key.pem"), signing.ECDSAP256)
	require.NoError(t, err)
	log := filepath.Join(dir, "log")
	w := newLog(t, log, s, 0)
	long := plog.NewLogRecord()
	long.Body().SetStr("x  user=root" + strings.Repeat("y", 5000))
	b := w.Writer.NewBatch()
	defer b.Release()
	require.NoError(t, w.AddTo(b, func(dst []byte) ([]byte, uint64, error) {
		dst, err := eventjson.Replace(dst, w.Encode(long), 4000)
		return dst, uint64(began.UnixNano()), err
	}))
	b.Refuse(stage.Refusal{Place: stage.Place{Record: 3}, Reason: "too_large", SHA256: bytes.Repeat([]byte{0x5e}, 32), EventID: "huge  user=root"})
	_, err = w.Writer.Append(t.Context(), b)
	require.NoError(t, err)
	w.Close()
	var out, errs strings.Builder
	code := run(t.Context(), []string{"show", log}, &out, &errs)
	require.Equal(t, exitGood, code, "exit code %d, %s", code, errs.String())
	for _, want := range []string{
		`  reason=too_large  record="resource 0, scope 0, record 3"  id="huge  user=root"  hash=` + strings.Repeat("5e", 32) + "\n",
		`  first="{\"body\":\"x  user=rootyyy`,
		`yyy\",\"category\":`,
	} {
		assert.Contains(t, out.String(), want)
	}
	replaced := 0
	for line := range strings.Lines(out.String()) {
		parts := shownLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		require.NotNil(t, parts, "not a line of one event: %s", line)
		seen := map[string]string{}
		for _, m := range shownMember.FindAllStringSubmatch(parts[6], -1) {
			if seen[m[1]] != "" {
				t.Errorf("two members %s: %s", m[1], line)
			}
			seen[m[1]] = m[2]
		}
		if seen["replaced"] != "" {
			replaced++
			if len(seen["hash"]) != 64 || seen["replaced"] < "5000" {
				t.Errorf("length %s, hash %s: %s", seen["replaced"], seen["hash"], line)
			}
		}
		assert.Empty(t, seen["user"], "a user is forged: %s", line)
	}
	assert.Equal(t, 1, replaced, "events stand for others")
}
