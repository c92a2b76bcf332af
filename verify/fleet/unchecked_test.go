// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/verify/fleet"
)

// A log of which nothing is signed by a trusted key is not good, and not all was checked.
func TestLogsOfWhichNothingIsChecked(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 2)
	plain, header := w.Segments[0], w.Lines(0)[0]
	for what, text := range map[string][]byte{
		"an empty segment": nil,
		"a header":         header,
		"zeros":            make([]byte, 5000),
		"lines of garbage": []byte("garbage\nmore\n"),
	} {
		for _, o := range []verify.Options{{Keys: logtest.PublicKeys(w.Signer)}, {}} {
			sum, _ := tree(t, forest{"a/b": {}}.plant("log", fstest.MapFS{plain: {Data: text, Mode: 0o600}}), o)
			assert.Equal(t, 1, sum.Unchecked, what)
			assert.Zero(t, sum.Good, what)
			assert.False(t, sum.Complete(), what)
			assert.False(t, sum.TamperingDetected, what)
		}
	}
}

// A trust file with indices is of one log, and says nothing of the logs of a tree.
func TestIndicesAccuseNoLogOfSeveral(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1)
	known := trust.Keys{{Public: w.Signer.Public(), Until: logtest.AtLeaf(1000)}}
	sum, logs := tree(t, forest{}.plant("a", w.Files), verify.Options{Trust: known})
	require.Len(t, logs, 1)
	assert.Equal(t, verify.VerdictUnchecked, logs[0].Report.Verdict, encoded(logs))
	assert.False(t, sum.TamperingDetected)
}

// Each log has an origin of its own, so that one is asked for alone.
func TestNoOriginIsAskedForOfSeveral(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1)
	_, err := fleet.Check(t.Context(), w.Files, verify.Options{Origin: logtest.Origin}, func(fleet.Log) error { return nil })
	assert.ErrorContains(t, err, "have each its origin")
}
