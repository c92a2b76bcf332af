// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"bytes"
	"fmt"
	"maps"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/verify/fleet"
)

// With many logs, each gets its own; a log that is not there is missed.
func TestReceiptsOfATree(t *testing.T) {
	_, w, receipts := logtest.WithReceipts(t, 5, 3)
	tree := fstest.MapFS{}
	for name, f := range w.Files {
		tree["a/"+name] = f
	}
	o := verify.Options{Keys: []*signing.PublicKey{w.Signer.Public()}, Receipts: logtest.ReadReceipts(t, receipts)}
	each := func(l fleet.Log) error {
		if l.Path == "a" {
			require.Equal(t, 8, l.Report.ReceiptsHonored, fmt.Sprint(l.Report.Findings))
		}
		return nil
	}
	s, err := fleet.Check(t.Context(), tree, o, each)
	require.NoError(t, err)
	assert.False(t, s.TamperingDetected)

	gone := maps.Clone(tree)
	for name := range tree {
		delete(gone, name)
	}
	other := logtest.Write(t, rotation.Options{Origin: "other.example/auditlog", Signer: w.Signer}, 2)
	for name, f := range other.Files {
		gone["b/"+name] = f
	}
	s, err = fleet.Check(t.Context(), gone, o, each)
	require.NoError(t, err)
	require.True(t, s.TamperingDetected)
	assert.Equal(t, verify.ReceiptUnfulfilled, s.Findings[0].Kind)
	assert.Contains(t, s.Findings[0].Message, `of the log "test.example/auditlog", but there is no log of that origin`)

	// What has been changed shows nothing of it, which is said.
	changed, err := receipt.Parse(bytes.SplitAfter(receipts, []byte("\n"))[0])
	require.NoError(t, err)
	changed.LeafHash[0] ^= 1
	o.Receipts = logtest.ReadReceipts(t, append(changed.Append(nil), '\n'))
	s, err = fleet.Check(t.Context(), gone, o, each)
	require.NoError(t, err)
	assert.False(t, s.TamperingDetected)
	assert.False(t, s.Complete())
	assert.Equal(t, verify.ReceiptInvalid, s.Findings[0].Kind)
}

// With many logs no receipt that was changed is passed over, whatever log it says it is
// of.
func TestAChangedReceiptOfNoLogOfATree(t *testing.T) {
	_, w, receipts := logtest.WithReceipts(t, 5)
	tree := fstest.MapFS{}
	for name, f := range w.Files {
		tree["a/"+name] = f
	}
	one, err := receipt.Parse(bytes.TrimSpace(bytes.SplitAfter(receipts, []byte("\n"))[0]))
	require.NoError(t, err)
	one.LeafHash[0] ^= 1
	one.Checkpoint = bytes.ReplaceAll(one.Checkpoint, []byte("test.example"), []byte("rest.example"))
	line := append(one.Append(nil), '\n')
	s, err := fleet.Check(t.Context(), tree, verify.Options{Keys: []*signing.PublicKey{w.Signer.Public()}, Receipts: logtest.ReadReceipts(t, line)}, func(fleet.Log) error { return nil })
	require.NoError(t, err)
	require.False(t, s.Complete())
	require.Len(t, s.Findings, 1)
	assert.Equal(t, verify.ReceiptInvalid, s.Findings[0].Kind)
	assert.Equal(t, verify.Unchecked, s.Findings[0].Severity)
}
