// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumererror"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// followed verifies the log with one public key.
func followed(t *testing.T, c *auditlogexporter.Config, public *signing.PublicKey) *verify.Report {
	t.Helper()
	r, err := verify.Log(t.Context(), os.DirFS(c.Directory), verify.Options{Keys: []*signing.PublicKey{public}})
	require.NoError(t, err)
	require.False(t, r.TamperingDetected, "%+v", r.Findings)
	return r
}

func TestConfigurationChangesTheKey(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			c := testConfig(t, inScope(scope))
			r := start(t, c)
			require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
			r.stop(t)
			first, err := keyfile.LoadPublic(keyfile.PublicPath(c.Signing.KeyFile))
			require.NoError(t, err)

			c.Signing.PreviousKeyFile = c.Signing.KeyFile
			c.Signing.KeyFile = filepath.Join(filepath.Dir(c.Signing.KeyFile), "new.pem")
			// No key is made for a log that there is.
			assert.ErrorContains(t, startError(t, c), "signing::key_file: ")
			second, err := keyfile.Create(c.Signing.KeyFile, signing.Ed25519)
			require.NoError(t, err)
			r = start(t, c)
			require.NoError(t, r.ConsumeLogs(t.Context(), records("b")))
			r.stop(t)

			// The old key has served.
			require.NoError(t, os.Remove(c.Signing.PreviousKeyFile))
			r = start(t, c)
			require.NoError(t, r.ConsumeLogs(t.Context(), records("c")))
			r.stop(t)
			assert.Equal(t, []string{"a", "b", "c"}, writtenIDs(t, c))
			assert.Len(t, followed(t, c, first).Segments, 2)
			assert.Len(t, followed(t, c, second.Public()).Segments, 2)
		})
	}
}

// Calls that have signed their events when the key is changed sign them again.
func TestKeyOfEachSegmentUnderLoad(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			c := testConfig(t, inScope(scope))
			c.Signing.RotateKey = "segment"
			c.Rotation.MaxSizeMiB = 1
			const callers, calls, each = 8, 20, 40
			var first *signing.PublicKey
			for run := range 2 {
				r := start(t, c)
				if first == nil {
					var err error
					first, err = keyfile.LoadPublic(keyfile.PublicPath(c.Signing.KeyFile))
					require.NoError(t, err)
				}
				var wg sync.WaitGroup
				for caller := range callers {
					wg.Go(func() {
						for call := range calls {
							assert.NoError(t, r.ConsumeLogs(t.Context(), records(ids(fmt.Sprintf("%d-%d-%d", run, caller, call), each)...)))
						}
					})
				}
				wg.Wait()
				r.stop(t)
			}
			report := followed(t, c, first)
			assert.Equal(t, uint64(2*callers*calls*each), report.VerifiedEvents-report.OwnEvents)
			assert.Greater(t, len(report.Segments), 3)
			keys := map[string]bool{}
			for _, s := range report.Segments {
				keys[s.KeyID] = true
			}
			assert.Len(t, keys, len(report.Segments), "each segment has its own key")
		})
	}
}

// A new log under a key file that another log has moved on from its public key would
// have no first public key to hand out.
func TestRotatedKeyFileBeginsNoOtherLog(t *testing.T) {
	c := testConfig(t)
	c.Signing.RotateKey = "segment"
	start(t, c).stop(t)
	k, err := keyfile.OpenRotating(c.Signing.KeyFile)
	require.NoError(t, err)
	_, err = k.Next()
	require.NoError(t, err)
	require.NoError(t, k.Advance())
	c.Directory += "-other"
	c.Origin += "/other"
	public := keyfile.PublicPath(c.Signing.KeyFile)
	assert.ErrorContains(t, startError(t, c), public)

	require.NoError(t, os.Remove(public))
	start(t, c).stop(t)
	first, err := keyfile.LoadPublic(public)
	require.NoError(t, err)
	followed(t, c, first)
}

func TestKeysFileBoundsTheKey(t *testing.T) {
	c := testConfig(t)
	_, err := keyfile.Create(c.Signing.KeyFile, signing.ECDSAP256)
	require.NoError(t, err)
	c.Signing.KeysFile = filepath.Join(filepath.Dir(c.Signing.KeyFile), "keys.yaml")
	write := func(bounds string) {
		content := fmt.Sprintf("keys:\n  - file: %s\n    %s\n", keyfile.PublicPath(c.Signing.KeyFile), bounds)
		require.NoError(t, os.WriteFile(c.Signing.KeysFile, []byte(content), 0o600))
	}
	assert.ErrorContains(t, startError(t, c), "signing::keys_file: ")
	write("revoked: 2026-01-01T00:00:00Z")
	assert.ErrorContains(t, startError(t, c), "revoked")

	// The bound is reached while the log is being written.
	write("valid_until: 5")
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
	err = r.ConsumeLogs(t.Context(), records("b"))
	assert.ErrorContains(t, err, "valid up to leaf 5 only")
	assert.False(t, consumererror.IsPermanent(err))
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, r.host.reported())
	r.stop(t)
	assert.Equal(t, []string{"a"}, writtenIDs(t, c))
}

// A key that is listed for something else signs nothing.
func TestKeysFileSaysWhatAKeyIsFor(t *testing.T) {
	c := testConfig(t)
	_, err := keyfile.Create(c.Signing.KeyFile, signing.ECDSAP256)
	require.NoError(t, err)
	c.Signing.CheckpointKeyFile = c.Signing.KeyFile + ".checkpoints"
	_, err = keyfile.Create(c.Signing.CheckpointKeyFile, signing.Ed25519)
	require.NoError(t, err)
	c.Signing.KeysFile = filepath.Join(filepath.Dir(c.Signing.KeyFile), "keys.yaml")
	for _, tt := range []struct{ events, checkpoints, refused string }{
		{"checkpoints", "checkpoints", "signing::key_file: "},
		{"anchor", "checkpoints", "signing::key_file: "},
		{"events", "delegate", "signing::checkpoint_key_file: "},
		{"events", "events", ""},
		{"[events, delegate]", "checkpoints", ""},
	} {
		content := fmt.Sprintf("keys:\n  - file: %s\n    use: %s\n  - file: %s\n    use: %s\n",
			keyfile.PublicPath(c.Signing.KeyFile), tt.events, keyfile.PublicPath(c.Signing.CheckpointKeyFile), tt.checkpoints)
		require.NoError(t, os.WriteFile(c.Signing.KeysFile, []byte(content), 0o600))
		if tt.refused != "" {
			assert.ErrorContains(t, startError(t, c), tt.refused, "%+v", tt)
			continue
		}
		start(t, c).stop(t)
	}
}

// A commit that would go beyond the bound is refused, as is one that only the checkpoint
// key may not sign.
func TestKeysFileBoundsEveryKey(t *testing.T) {
	for name, bound := range map[string]func(c *auditlogexporter.Config) string{
		"the signing key":    func(c *auditlogexporter.Config) string { return c.Signing.KeyFile },
		"the checkpoint key": func(c *auditlogexporter.Config) string { return c.Signing.CheckpointKeyFile },
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t)
			c.Signing.CheckpointKeyFile = filepath.Join(filepath.Dir(c.Signing.KeyFile), "checkpoint.pem")
			for path, a := range map[string]signing.Algorithm{c.Signing.KeyFile: signing.ECDSAP256, c.Signing.CheckpointKeyFile: signing.Ed25519} {
				_, err := keyfile.Create(path, a)
				require.NoError(t, err)
			}
			c.Signing.KeysFile = filepath.Join(filepath.Dir(c.Signing.KeyFile), "keys.yaml")
			content := fmt.Sprintf("keys:\n  - file: %s\n    valid_until: 7\n", keyfile.PublicPath(bound(c)))
			require.NoError(t, os.WriteFile(c.Signing.KeysFile, []byte(content), 0o600))
			r := start(t, c)
			require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
			assert.ErrorContains(t, r.ConsumeLogs(t.Context(), records("b", "c")), "valid up to leaf 7 only", "the commit's leaf is one too many")
			r.stop(t)
			assert.Equal(t, []string{"a"}, writtenIDs(t, c))
		})
	}
}
