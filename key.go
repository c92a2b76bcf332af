// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// openKey loads the signing key. If there is none it makes one, but for a log that
// does not exist yet only: a log continued with a key that nobody introduced looks
// forged.
func openKey(c *Config, logger *zap.Logger) (*signing.Signer, error) {
	path := absolute(c.Signing.KeyFile)
	signer, err := signing.LoadKeyFile(path)
	if err == nil {
		return signer, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("signing::key_file: %w", err)
	}
	exists, err := rotation.Exists(c.Directory)
	if err != nil {
		return nil, err
	}
	if exists {
		return nil, fmt.Errorf("signing::key_file: %s does not exist, but %s holds a log that was signed with a key: bring that key back, or name another directory to begin a new log with a new key", path, absolute(c.Directory))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("signing::key_file: make a directory for a new key: %w", err)
	}
	signer, err = signing.CreateKeyFile(path, signing.ECDSAP256)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("signing::key_file: %w: a public key without its private key may belong to a log elsewhere: bring the private key back, or move the public key away", err)
	}
	if err != nil {
		return nil, fmt.Errorf("signing::key_file: %w", err)
	}
	logger.Info("A key has been made for a new audit log. Copy the public key to a place that this machine's administrators cannot change: the log is verified with it, and a copy here proves nothing",
		zap.String("public_key", signing.PublicKeyPath(path)),
		zap.String("private_key", path),
		zap.String("key_id", signer.Public().ID()))
	return signer, nil
}
