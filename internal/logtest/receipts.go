// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// WithReceipts is a log of five segments and the receipts of its events.
func WithReceipts(t testing.TB, commits ...int) (o rotation.Options, w *Copy, receipts []byte) {
	t.Helper()
	dir := t.TempDir()
	o = rotation.Options{Directory: filepath.Join(dir, "log"), Origin: "test.example/auditlog", MaxSegmentBytes: 4000, BindIDs: true, Signer: signingtest.New(t, signing.ECDSAP256)}
	w = Write(t, o, commits...)
	newest := w.Segments[len(w.Segments)-1]
	i, err := issuer.Open(issuer.Options{Log: o.Directory, Origin: o.Origin, Directory: filepath.Join(dir, "receipts"), MaxFileBytes: 1 << 30})
	require.NoError(t, err)
	_, err = i.Issue(t.Context(), issuer.Durable{Segment: newest, Bytes: int64(len(w.Files[newest].Data)), Size: w.Size(t)})
	require.NoError(t, err)
	require.NoError(t, i.Close())
	names, err := filepath.Glob(filepath.Join(dir, "receipts", "receipts-*.jsonl"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	receipts, err = os.ReadFile(names[0])
	require.NoError(t, err)
	return o, w, receipts
}

func ReadReceipts(t testing.TB, text []byte) *receipt.Set {
	t.Helper()
	s := &receipt.Set{}
	require.NoError(t, s.Read("r.jsonl", bytes.NewReader(text)))
	return s
}
