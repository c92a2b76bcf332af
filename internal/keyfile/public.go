// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyfile

import (
	"encoding/pem"
	"fmt"
	"io"
	"os"

	"github.com/otel-auditlog/auditlogexporter/signing"
)

// MarshalPublic returns a public key as a PEM block of type PUBLIC KEY.
func MarshalPublic(p *signing.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: p.SPKI()})
}

// maxKeyFile is far above the size of any key file.
const maxKeyFile = 64 << 10

// ReadPublic reads a file that holds a public key, and does not look at it.
func ReadPublic(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the public key %s: %w", path, err)
	}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("read the public key %s: the file is too large for a key", path)
	}
	return b, nil
}

// LoadPublic reads a file that [signing.ParsePublicKey] can parse.
func LoadPublic(path string) (*signing.PublicKey, error) {
	b, err := ReadPublic(path)
	if err != nil {
		return nil, err
	}
	p, err := signing.ParsePublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("read the public key %s: %w", path, err)
	}
	return p, nil
}
