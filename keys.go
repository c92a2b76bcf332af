// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/realpath"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

// keys are what a log is signed with.
type keys struct {
	signer *signing.Signer
	// previous is the key before, nil if there is none or it is not needed.
	previous *signing.Signer
	// checkpoint signs checkpoints, too; nil if there is no such key.
	checkpoint *signing.Signer
	// previousCheckpoint is the key that did so before; nil if there is none or it is not
	// needed.
	previousCheckpoint *signing.Signer
	// segment gives each segment a key, nil if the key stays.
	segment rotation.SegmentKeys
	// permit says whether a key may be used; nil permits all.
	permit func(key *signing.PublicKey, index uint64, at time.Time) error
}

// openKeys loads the keys. If there is none it makes one, but for a log that does not
// exist yet only: a log continued with a key that nobody introduced looks forged.
func openKeys(c *Config, logger *zap.Logger) (k keys, err error) {
	if err := keysApart(c); err != nil {
		return k, err
	}
	var trusted trust.Keys
	if c.Signing.KeysFile != "" {
		if trusted, err = trust.Load(c.Signing.KeysFile); err != nil {
			return k, fmt.Errorf("signing::keys_file: %w", err)
		}
		k.permit = permit(trusted)
	}
	if err := stateApart(c); err != nil {
		return k, err
	}
	exists, err := c.layout().Exists()
	if err != nil {
		return k, err
	}
	existed, err := c.layout().Existed()
	if err != nil {
		return k, err
	}
	existed = existed || exists
	err = k.load(c)
	if err == nil && !existed {
		logger.Warn("A new audit log is begun with a key that exists. If the key was made for this log, all is well. If a log was signed with it before, that log is missing, and its state, too: check that the directory and state_directory are the right ones and are mounted, and verify against checkpoints that were kept elsewhere",
			zap.String("directory", realpath.Absolute(c.Directory)), zap.String("state_directory", c.stateDirectory()), zap.String("key_id", k.signer.Public().ID()))
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return k, fmt.Errorf("signing::key_file: %w", err)
		}
		if existed {
			return k, fmt.Errorf("signing::key_file: %s does not exist, but %s holds a log that was signed with a key, or held one: bring that key back, or name another directory to begin a new log with a new key", realpath.Absolute(c.Signing.KeyFile), realpath.Absolute(c.Directory))
		}
		if err := makeKey(c.Signing.KeyFile, signing.ECDSAP256, logger); err != nil {
			return k, fmt.Errorf("signing::key_file: %w", err)
		}
		if err := k.load(c); err != nil {
			return k, fmt.Errorf("signing::key_file: %w", err)
		}
	}
	if !exists && k.segment != nil {
		if err := publish(c, k.signer.Public()); err != nil {
			return k, fmt.Errorf("signing::key_file: %w", err)
		}
	}
	if err := k.loadCheckpointKey(c, existed, logger); err != nil {
		return k, fmt.Errorf("signing::checkpoint_key_file: %w", err)
	}
	if err := k.checkUses(trusted); err != nil {
		return k, err
	}
	if !exists {
		return k, nil
	}
	if k.previous, err = loadPrevious(c.Signing.PreviousKeyFile); err != nil {
		return k, fmt.Errorf("signing::previous_key_file: %w", err)
	}
	if k.previousCheckpoint, err = loadPrevious(c.Signing.PreviousCheckpointKeyFile); err != nil {
		return k, fmt.Errorf("signing::previous_checkpoint_key_file: %w", err)
	}
	return k, nil
}

// checkUses refuses keys that the trusted ones list for something else: no verifier with that
// list would take what they sign.
func (k *keys) checkUses(trusted trust.Keys) error {
	if known := signers.Find(trusted, k.signer.Public()); known != nil && !known.For(trust.UseEvents) {
		return fmt.Errorf("signing::key_file: the key %s is listed in signing::keys_file for %s only: list it for events there, or name another key", known.Name(), known.Use)
	}
	if k.checkpoint == nil {
		return nil
	}
	if known := signers.Find(trusted, k.checkpoint.Public()); known != nil && !known.For(trust.UseEvents|trust.UseCheckpoints) {
		return fmt.Errorf("signing::checkpoint_key_file: the key %s is listed in signing::keys_file for %s only: list it for checkpoints there, or name another key", known.Name(), known.Use)
	}
	return nil
}

// loadPrevious loads a key that the log was signed with before. It may be gone once the log
// has gone over to another.
func loadPrevious(path string) (*signing.Signer, error) {
	if path == "" {
		return nil, nil
	}
	s, err := keyfile.Load(realpath.Absolute(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return s, err
}

// keysApart refuses key files in the log's directory. Validate goes by names; here
// links are followed.
func keysApart(c *Config) error {
	for _, f := range c.Signing.keyFiles() {
		in, err := realpath.Within(realpath.Absolute(f.path), realpath.Absolute(c.Directory))
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if in {
			return fmt.Errorf("%s: %s lies in the log's directory, links followed: put the key elsewhere, or whoever gets a copy of the log gets the key that signs it", f.name, f.path)
		}
	}
	return nil
}

// stateApart refuses a state directory in the log's directory, links followed.
func stateApart(c *Config) error {
	in, err := realpath.Within(c.stateDirectory(), realpath.Absolute(c.Directory))
	if err != nil {
		return fmt.Errorf("state_directory: %w", err)
	}
	if in {
		return fmt.Errorf("state_directory: %s lies in the log's directory, links followed: name a directory elsewhere", c.stateDirectory())
	}
	return nil
}

// load reads the key file.
func (k *keys) load(c *Config) (err error) {
	path := realpath.Absolute(c.Signing.KeyFile)
	if c.Signing.RotateKey != rotateKeySegment {
		k.signer, err = keyfile.Load(path)
		return err
	}
	rotating, err := keyfile.OpenRotating(path)
	if err != nil {
		return err
	}
	k.signer, k.segment = rotating.Current(), rotating
	return nil
}

// loadCheckpointKey reads the key for checkpoints, and makes one for a log that does not
// exist yet.
func (k *keys) loadCheckpointKey(c *Config, exists bool, logger *zap.Logger) (err error) {
	path := c.Signing.CheckpointKeyFile
	if path == "" {
		if len(c.Witnesses) > 0 && k.signer.Public().Algorithm() != signing.Ed25519 {
			return fmt.Errorf("witnesses take Ed25519 keys only, and the key in signing::key_file, %s, is of %s: name a file for a second key that signs checkpoints, such as audit-log-checkpoint-key.pem, or begin a new log with an Ed25519 key", c.Signing.KeyFile, k.signer.Public().Algorithm())
		}
		return nil
	}
	path = realpath.Absolute(path)
	k.checkpoint, err = keyfile.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if exists {
			return fmt.Errorf("%s does not exist, and the log in %s does: bring the key back, or, if the log has none yet, make one with auditlog keygen --algorithm ed25519 --out %s", path, realpath.Absolute(c.Directory), path)
		}
		if err := makeKey(path, signing.Ed25519, logger); err != nil {
			return err
		}
		k.checkpoint, err = keyfile.Load(path)
	}
	if err != nil {
		return err
	}
	if len(c.Witnesses) > 0 && k.checkpoint.Public().Algorithm() != signing.Ed25519 && k.signer.Public().Algorithm() != signing.Ed25519 {
		return fmt.Errorf("witnesses take Ed25519 keys only, and the key in %s is of %s: make one with auditlog keygen --algorithm ed25519", path, k.checkpoint.Public().Algorithm())
	}
	return nil
}

// makeKey makes a key for a new log.
func makeKey(path string, a signing.Algorithm, logger *zap.Logger) error {
	path = realpath.Absolute(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make a directory for a new key: %w", err)
	}
	signer, err := keyfile.Create(path, a)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: a public key without its private key may belong to a log elsewhere: bring the private key back, or move the public key away", err)
	}
	if err != nil {
		return err
	}
	logger.Info("A key has been made for a new audit log. Copy the public key to a place that this machine's administrators cannot change: the log is verified with it, and a copy here proves nothing",
		zap.String("public_key", keyfile.PublicPath(path)),
		zap.String("private_key", path),
		zap.String("key_id", signer.Public().ID()))
	return nil
}

// publish makes sure that a new log's first public key lies beside the key file,
// which will soon hold another. The key file of a log that is no more has moved on
// from the public key beside it.
func publish(c *Config, key *signing.PublicKey) error {
	path := keyfile.PublicPath(realpath.Absolute(c.Signing.KeyFile))
	there, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return keyfile.CreatePublic(path, key)
	case err != nil:
		return fmt.Errorf("read the public key: %w", err)
	case !bytes.Equal(there, keyfile.MarshalPublic(key)):
		return fmt.Errorf("%s is not the public key of %s, but of one that it has taken the place of: begin a new log with a new key file, or move the public key away", path, c.Signing.KeyFile)
	}
	return nil
}

// permit returns a function that says whether the trusted keys let a key sign.
func permit(trusted trust.Keys) func(*signing.PublicKey, uint64, time.Time) error {
	return func(key *signing.PublicKey, index uint64, at time.Time) error {
		known := signers.Find(trusted, key)
		if known == nil {
			return nil
		}
		if _, why := signers.Objection(known, index, at); why != "" {
			return fmt.Errorf("%s, as signing::keys_file says: go over to another key, with signing::key_file and signing::previous_key_file, or with signing::checkpoint_key_file if it is that one", why)
		}
		return nil
	}
}
