// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Whatever a key file holds, loading it gives a key that signs, or an error that
// quotes nothing of it.
func FuzzLoadKeyFile(f *testing.F) {
	for _, a := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
		path := filepath.Join(f.TempDir(), "key.pem")
		if _, err := keyfile.Create(path, a); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	path := filepath.Join(f.TempDir(), "fuzzed.pem")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := keyfile.Load(path)
		if err != nil {
			for line := range strings.Lines(string(b)) {
				if line = strings.TrimSpace(line); len(line) >= 16 && !strings.Contains(line, "-----") && strings.Contains(err.Error(), line) {
					t.Errorf("the error quotes the key file: %v", err)
				}
			}
			return
		}
		signature, err := s.SignEvent("log", signing.LogID{}, []byte("message"))
		if err != nil || !s.Public().VerifyEvent("log", signing.LogID{}, []byte("message"), signature) {
			t.Errorf("a key was loaded that does not sign: %v", err)
		}
	})
}
