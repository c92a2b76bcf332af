// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

const (
	waitAtMost = 30 * time.Second
	pollEvery  = 5 * time.Millisecond
)

func TestFirstStartMakesAKeyAndSaysWhereItIs(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	said := r.logged.FilterField(zapcore.Field{Key: "public_key", Type: zapcore.StringType, String: keyfile.PublicPath(c.Signing.KeyFile)}).All()
	require.Len(t, said, 1)
	assert.Equal(t, zapcore.InfoLevel, said[0].Level)
	assert.Contains(t, said[0].Message, "Copy the public key")

	for path, mode := range map[string]fs.FileMode{c.Directory: 0o700 | fs.ModeDir, c.Signing.KeyFile: 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode(), path)
	}
	_, err := keyfile.LoadPublic(keyfile.PublicPath(c.Signing.KeyFile))
	assert.NoError(t, err)
}

func TestFirstStartMakesTheKeysDirectory(t *testing.T) {
	c := testConfig(t)
	c.Signing.KeyFile = filepath.Join(filepath.Dir(c.Signing.KeyFile), "keys", "log.pem")
	start(t, c).stop(t)
	info, err := os.Stat(filepath.Dir(c.Signing.KeyFile))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
}

func TestRestartContinuesTheLogWithItsKey(t *testing.T) {
	for _, algorithm := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
		for _, scope := range bothScopes {
			t.Run(string(algorithm)+"/"+string(scope), func(t *testing.T) {
				c := testConfig(t, inScope(scope))
				_, err := keyfile.Create(c.Signing.KeyFile, algorithm)
				require.NoError(t, err)
				key, err := os.ReadFile(c.Signing.KeyFile)
				require.NoError(t, err)
				for _, id := range []string{"one", "two", "three"} {
					r := start(t, c)
					require.NoError(t, r.ConsumeLogs(t.Context(), records(id)))
					r.stop(t)
				}
				assert.Equal(t, []string{"one", "two", "three"}, writtenIDs(t, c))
				assert.Equal(t, uint64(3), verified(t, c).OwnEvents, "opened three times")
				after, err := os.ReadFile(c.Signing.KeyFile)
				require.NoError(t, err)
				assert.Equal(t, key, after)
			})
		}
	}
}

func TestScopeMayChangeBetweenStarts(t *testing.T) {
	c := testConfig(t)
	for i, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint, segline.ScopeEvent} {
		c.Signing.Scope = scope
		r := start(t, c)
		require.NoError(t, r.ConsumeLogs(t.Context(), records(ids("id", 3)[i])))
		r.stop(t)
	}
	assert.Len(t, verified(t, c).Segments, 3)
	assert.Len(t, written(t, c), 3)
}

func TestExistingLogGetsNoNewKey(t *testing.T) {
	c := testConfig(t)
	start(t, c).stop(t)
	require.NoError(t, os.Rename(c.Signing.KeyFile, c.Signing.KeyFile+".moved"))
	err := startError(t, c)
	assert.ErrorContains(t, err, "signing::key_file: ")
	assert.ErrorContains(t, err, c.Signing.KeyFile)
	assert.ErrorContains(t, err, c.Directory)
	assert.NoFileExists(t, c.Signing.KeyFile)
}

func TestForeignKeyDoesNotStart(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
	r.stop(t)
	public := keyfile.PublicPath(c.Signing.KeyFile)
	require.NoError(t, os.Rename(c.Signing.KeyFile, c.Signing.KeyFile+".moved"))
	require.NoError(t, os.Rename(public, public+".moved"))
	_, err := keyfile.Create(c.Signing.KeyFile, signing.ECDSAP256)
	require.NoError(t, err)
	assert.ErrorContains(t, startError(t, c), "key")

	require.NoError(t, os.Rename(c.Signing.KeyFile+".moved", c.Signing.KeyFile))
	require.NoError(t, os.Rename(public+".moved", public))
	start(t, c)
	assert.Equal(t, []string{"a"}, writtenIDs(t, c))
	verified(t, c)
}

func TestPublicKeyAloneDoesNotStart(t *testing.T) {
	c := testConfig(t)
	public := keyfile.PublicPath(c.Signing.KeyFile)
	require.NoError(t, os.WriteFile(public, []byte("somebody's public key"), 0o600))
	err := startError(t, c)
	assert.ErrorContains(t, err, public)
	assert.ErrorContains(t, err, "bring the private key back")
	assert.NoFileExists(t, c.Signing.KeyFile)
}

func TestStartRefusesOnDoubt(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *auditlogexporter.Config){
		"origin changed": func(_ *testing.T, c *auditlogexporter.Config) { c.Origin = "other.example/auditlog" },
		"key file readable by others": func(t *testing.T, c *auditlogexporter.Config) {
			require.NoError(t, os.Chmod(c.Signing.KeyFile, 0o640))
		},
		"key file cut off": func(t *testing.T, c *auditlogexporter.Config) {
			require.NoError(t, os.Truncate(c.Signing.KeyFile, 60))
		},
		"directory writable by others": func(t *testing.T, c *auditlogexporter.Config) {
			require.NoError(t, os.Chmod(c.Directory, 0o777))
		},
		"directory is a file": func(t *testing.T, c *auditlogexporter.Config) {
			require.NoError(t, os.RemoveAll(c.Directory))
			require.NoError(t, os.WriteFile(c.Directory, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t)
			r := start(t, c)
			require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
			r.stop(t)
			spoil(t, c)
			startError(t, c)
		})
	}
}
