// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// While a collector writes the log its key is not changed, and none is made for it.
func TestRotateKeyOfALogInUse(t *testing.T) {
	dir := t.TempDir()
	key, next, log := filepath.Join(dir, "key.pem"), filepath.Join(dir, "next.pem"), filepath.Join(dir, "log")
	s, err := keyfile.Create(key, signing.Ed25519)
	require.NoError(t, err)
	w := newLog(t, log, s, 1)
	var said bytes.Buffer
	args := []string{"rotate-key", log, "--key", key, "--new-key", next}
	assert.Equal(t, exitUnchecked, run(t.Context(), args, io.Discard, &said), "exit code")
	assert.Contains(t, said.String(), "stop the collector", "exit code")
	for _, name := range []string{next, keyfile.PublicPath(next)} {
		_, err := os.Lstat(name)
		assert.ErrorIs(t, err, fs.ErrNotExist, name)
	}
	w.Close()
	code := run(t.Context(), args, io.Discard, &said)
	assert.Equal(t, exitGood, code, "exit code %d: %s", code, said.String())
}
