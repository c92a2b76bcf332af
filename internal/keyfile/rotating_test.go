// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyfile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func rotatingKeyFile(t *testing.T, a signing.Algorithm) (string, *signing.Signer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	s, err := keyfile.Create(path, a)
	require.NoError(t, err)
	return path, s
}

func openRotating(t *testing.T, path string) *keyfile.Rotating {
	t.Helper()
	k, err := keyfile.OpenRotating(path)
	require.NoError(t, err)
	return k
}

func TestRotatingKeyFile(t *testing.T) {
	for _, a := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
		t.Run(string(a), func(t *testing.T) {
			path, first := rotatingKeyFile(t, a)
			before, err := os.Open(path) // what is left of it can be read here
			require.NoError(t, err)
			defer before.Close()
			k := openRotating(t, path)
			require.True(t, k.Current().Public().Equal(first.Public()), "the key is not that of the file, or another follows it")
			require.Nil(t, k.Pending(), "the key is not that of the file, or another follows it")
			next, err := k.Next()
			require.NoError(t, err)
			if again, err := k.Next(); err != nil || again != next || k.Pending() != next {
				t.Error("the next key is not always the same")
			}
			if next.Public().Algorithm() != a || next.Public().Equal(first.Public()) {
				t.Errorf("the next key is %s %s", next.Public().Algorithm(), next.Public().ID())
			}
			require.NoError(t, k.Advance())
			if k.Current() != next || k.Pending() != nil {
				t.Error("the next key has not become the current one")
			}
			assert.True(t, openRotating(t, path).Current().Public().Equal(next.Public()), "the file does not hold the next key")
			onlyFiles(t, path, "key.pem", "key.pub.pem")
			old := make([]byte, 4096)
			n, _ := before.ReadAt(old, 0)
			require.NotZero(t, n, "nothing can be read of the retired key's file: the test shows nothing")
			_, err = keyfile.Load(writeTemporary(t, old[:n]))
			assert.Error(t, err, "the retired key has not been overwritten")
			assert.Error(t, k.Advance(), "advanced without a next key")
		})
	}
}

// Wherever a change is interrupted, opening the file completes it or finds both keys.
func TestRotatingKeyFileInterrupted(t *testing.T) {
	for name, c := range map[string]struct {
		leave   func(t *testing.T, path string)
		current string // of the two keys
		pending bool
	}{
		"next key made":         {func(*testing.T, string) {}, "first", true},
		"next key half written": {func(t *testing.T, path string) { truncate(t, path+".next") }, "first", false},
		"next key empty":        {func(t *testing.T, path string) { empty(t, path+".next") }, "first", false},
		"first retired":         {func(t *testing.T, path string) { rename(t, path, path+".retired") }, "next", false},
		"next in place":         {func(t *testing.T, path string) { rename(t, path, path+".retired"); rename(t, path+".next", path) }, "next", false},
		"first being overwritten": {func(t *testing.T, path string) {
			rename(t, path, path+".retired")
			rename(t, path+".next", path)
			truncate(t, path+".retired")
		}, "next", false},
	} {
		t.Run(name, func(t *testing.T) {
			path, first := rotatingKeyFile(t, signing.ECDSAP256)
			next, err := openRotating(t, path).Next()
			require.NoError(t, err)
			c.leave(t, path)
			for range 2 { // opening changes nothing any more
				k := openRotating(t, path)
				want := map[string]*signing.Signer{"first": first, "next": next}[c.current]
				assert.True(t, k.Current().Public().Equal(want.Public()), "the current key is not the %s one", c.current)
				if (k.Pending() != nil) != c.pending || c.pending && !k.Pending().Public().Equal(next.Public()) {
					t.Errorf("pending is %v", k.Pending())
				}
			}
			_, err = os.Lstat(path + ".retired")
			assert.ErrorIs(t, err, fs.ErrNotExist, "the retired key is still there")
		})
	}
}

// A next key that could not be written, or not be made durable, does not keep others
// from being made.
func TestNextKeyAfterAFailure(t *testing.T) {
	path, _ := rotatingKeyFile(t, signing.ECDSAP256)
	k := openRotating(t, path)
	require.NoError(t, os.WriteFile(path+".next", []byte("left by a failed attempt"), 0o600))
	next, err := k.Next()
	require.NoError(t, err)
	require.NoError(t, k.Advance())
	assert.True(t, openRotating(t, path).Current().Public().Equal(next.Public()), "the file does not hold the next key")
}

// The retired key is not destroyed while there is none in its place.
func TestOnlyKeyIsNotDestroyed(t *testing.T) {
	path, first := rotatingKeyFile(t, signing.ECDSAP256)
	rename(t, path, path+".retired")
	_, err := keyfile.OpenRotating(path)
	assert.Error(t, err, "a retired key, and no other")
	assert.NotErrorIs(t, err, fs.ErrNotExist, "a retired key, and no other")
	rename(t, path+".retired", path)
	assert.True(t, openRotating(t, path).Current().Public().Equal(first.Public()), "the key is another one")
}

func TestRotatingKeyFileRefused(t *testing.T) {
	_, err := keyfile.OpenRotating(filepath.Join(t.TempDir(), "none.pem"))
	assert.ErrorIs(t, err, fs.ErrNotExist, "a file that does not exist")
	path, _ := rotatingKeyFile(t, signing.ECDSAP256)
	_, err = openRotating(t, path).Next()
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path+".next", 0o640))
	_, err = keyfile.OpenRotating(path)
	assert.Error(t, err, "a next key that others can read was taken, or removed")
	require.NoError(t, os.Chmod(path+".next", 0o600))
	victim := writeTemporary(t, []byte("precious"))
	require.NoError(t, os.Symlink(victim, path+".retired"))
	_, err = keyfile.OpenRotating(path)
	assert.Error(t, err, "a link in the place of the retired key was taken")
	b, err := os.ReadFile(victim)
	assert.NoError(t, err, "what the link leads to was overwritten: %q", b)
	assert.Equal(t, "precious", string(b), "what the link leads to was overwritten: %q", b)
}

func onlyFiles(t *testing.T, path string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	assert.Len(t, got, len(want), "the directory holds")
}

func writeTemporary(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func truncate(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.Truncate(path, 20))
}

func empty(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.Truncate(path, 0))
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.Rename(from, to))
}
