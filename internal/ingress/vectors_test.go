// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
)

// vector is a record with its proof, made by another implementation.
type vector struct {
	Name string `json:"name"`
	// Canonical is the record's canonical form; nil if it has none.
	Canonical *string `json:"canonical"`
	Expect    struct {
		Result    ingress.Status    `json:"result"`
		Reason    ingress.Reason    `json:"reason"`
		Producer  string            `json:"producer"`
		Algorithm ingress.Algorithm `json:"algorithm"`
	} `json:"expect"`
	Logs json.RawMessage `json:"logs"`
}

func vectors(t testing.TB) (all []vector) {
	t.Helper()
	b, err := os.ReadFile(vectorFile("vectors.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &all))
	return all
}

func TestVectors(t *testing.T) {
	v := load(t, now, vectorSources(t)...)
	seen := map[ingress.Status]int{}
	for _, one := range vectors(t) {
		t.Run(one.Name, func(t *testing.T) {
			logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(one.Logs)
			require.NoError(t, err)
			text, err := new(ingress.Form).Append(nil, firstRecord(logs))
			if one.Canonical == nil {
				var none *ingress.FormError
				assert.True(t, errors.As(err, &none), "%v", err)
			} else if assert.NoError(t, err) {
				assert.Equal(t, *one.Canonical, string(text))
			}
			got := check(v, logs)
			assert.Equal(t, one.Expect.Result, got.Status, "%+v", got)
			assert.Equal(t, one.Expect.Reason, got.Reason)
			assert.Equal(t, one.Expect.Producer, got.Producer)
			assert.Equal(t, one.Expect.Algorithm, got.Algorithm)
			seen[got.Status]++
		})
	}
	for _, s := range ingress.Statuses() {
		assert.NotZero(t, seen[s], s)
	}
}

// What is not covered can be changed without the proof's knowing: docs/ingress.md says
// so, and it must go on saying so.
func TestWhatNoProofCovers(t *testing.T) {
	v := load(t, now, vectorSources(t)...)
	all := vectors(t)
	logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(all[0].Logs)
	require.NoError(t, err)
	resource := logs.ResourceLogs().At(0)
	resource.Resource().Attributes().PutStr("service.name", "another")
	resource.SetSchemaUrl("https://example.com/another")
	resource.ScopeLogs().At(0).Scope().SetName("another")
	record := firstRecord(logs)
	record.SetSeverityNumber(plog.SeverityNumberFatal)
	record.SetSeverityText("FATAL")
	record.SetFlags(1)
	record.SetDroppedAttributesCount(3)
	record.Attributes().PutStr("audit.integrity.signer", "collector")
	assert.Equal(t, ingress.Verified, check(v, logs).Status)
}
