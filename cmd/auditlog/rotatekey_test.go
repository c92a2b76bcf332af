// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// While a collector writes the log its key is not changed, and none is made for it.
func TestRotateKeyOfALogInUse(t *testing.T) {
	dir := t.TempDir()
	key, next, log := filepath.Join(dir, "key.pem"), filepath.Join(dir, "next.pem"), filepath.Join(dir, "log")
	s, err := keyfile.Create(key, signing.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	w := newLog(t, log, s, 1)
	var said bytes.Buffer
	args := []string{"rotate-key", log, "--key", key, "--new-key", next}
	if code := run(t.Context(), args, io.Discard, &said); code != exitUnchecked || !strings.Contains(said.String(), "stop the collector") {
		t.Errorf("exit code %d: %s", code, said.String())
	}
	for _, name := range []string{next, keyfile.PublicPath(next)} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.Close()
	if code := run(t.Context(), args, io.Discard, &said); code != exitGood {
		t.Errorf("exit code %d: %s", code, said.String())
	}
}
