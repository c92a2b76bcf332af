// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// No writer makes commitments yet, so these are put into events by hand (docs/format.md,
// section 6.7).

// salted is a value and the salt that it is committed to with, a fixed one.
type salted struct {
	value string // canonical JSON
	salt  [32]byte
}

func (v salted) commitment() string {
	sum := sha256.Sum256(slices.Concat([]byte("auditlog value v1\n"), v.salt[:], []byte(v.value)))
	return `{"$commit":"` + base64.StdEncoding.EncodeToString(sum[:]) + `"}`
}

func (v salted) opening(leaf int, pointer string) string {
	return fmt.Sprintf(`{"leaf":%d,"pointer":%q,"salt":%q,"value":%s}`+"\n", leaf, pointer, base64.StdEncoding.EncodeToString(v.salt[:]), v.value)
}

// writeValues writes a log in which values are committed to: two have openings, one has
// been erased.
func writeValues(t *testing.T) *sample {
	t.Helper()
	w := newSampleWriter(t, rotation.Options{Signer: newSigner(t, signing.Ed25519)})
	return valuesLog(t, w)
}

func valuesLog(t *testing.T, w *sampleWriter) *sample {
	t.Helper()
	values := []salted{{`"alice"`, [32]byte{1}}, {`{"ip":"192.0.2.1","port":22}`, [32]byte{2}}, {`"bob"`, [32]byte{3}}}
	w.Open()
	const event = `{"body":%s,"category":"session_management","event_id":"%s","level":"info","metadata":{"a/b":[%s]},"operation":"log","resource_id":"r","resource_type":"t","success":null,"timestamp":"2026-11-23T10:00:00.000000000Z"}`
	w.Canonical(
		fmt.Appendf(nil, event, values[0].commitment(), "both", values[1].commitment()),
		fmt.Appendf(nil, event, values[2].commitment(), "erased", `"plain"`))
	w.Close()
	older := w.snapshot()
	segments := segmentsIn(t, w.Options.Directory, 1)
	name, err := segment.ParseName(filepath.Base(segments[0]))
	require.NoError(t, err)
	at := leafWith(t, segments[0], `"event_id":"both"`)
	openings := values[0].opening(at, "/body") + values[1].opening(at, "/metadata/a~1b/0")
	require.NoError(t, os.WriteFile(filepath.Join(w.Options.Directory, segname.Values(name)), []byte(openings), 0o600))
	w.run(1)
	return w.sample(older, w.Options.Signer)
}

// leafWith returns the index of the first leaf of a log's first segment that contains s.
func leafWith(t *testing.T, path, s string) (leaf int) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range bytes.Lines(b) {
		if segment.KindOf(line) == segline.KindCheckpoint {
			continue
		}
		if bytes.Contains(line, []byte(s)) {
			return leaf
		}
		leaf++
	}
	t.Fatalf("no line of %s contains %s", path, s)
	return 0
}
