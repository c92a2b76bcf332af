// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func rotatingKeyFile(t *testing.T, a signing.Algorithm) (string, *signing.Signer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	s, err := keyfile.Create(path, a)
	if err != nil {
		t.Fatal(err)
	}
	return path, s
}

func openRotating(t *testing.T, path string) *keyfile.Rotating {
	t.Helper()
	k, err := keyfile.OpenRotating(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRotatingKeyFile(t *testing.T) {
	for _, a := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519} {
		t.Run(string(a), func(t *testing.T) {
			path, first := rotatingKeyFile(t, a)
			before, err := os.Open(path) // what is left of it can be read here
			if err != nil {
				t.Fatal(err)
			}
			defer before.Close()
			k := openRotating(t, path)
			if !k.Current().Public().Equal(first.Public()) || k.Pending() != nil {
				t.Fatal("the key is not that of the file, or another follows it")
			}
			next, err := k.Next()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := k.Next(); err != nil || again != next || k.Pending() != next {
				t.Error("the next key is not always the same")
			}
			if next.Public().Algorithm() != a || next.Public().Equal(first.Public()) {
				t.Errorf("the next key is %s %s", next.Public().Algorithm(), next.Public().ID())
			}
			if err := k.Advance(); err != nil {
				t.Fatal(err)
			}
			if k.Current() != next || k.Pending() != nil {
				t.Error("the next key has not become the current one")
			}
			if got := openRotating(t, path).Current().Public(); !got.Equal(next.Public()) {
				t.Error("the file does not hold the next key")
			}
			onlyFiles(t, path, "key.pem", "key.pub.pem")
			old := make([]byte, 4096)
			n, _ := before.ReadAt(old, 0)
			if n == 0 {
				t.Fatal("nothing can be read of the retired key's file: the test shows nothing")
			}
			if _, err := keyfile.Load(writeTemporary(t, old[:n])); err == nil {
				t.Error("the retired key has not been overwritten")
			}
			if err := k.Advance(); err == nil {
				t.Error("advanced without a next key")
			}
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
			if err != nil {
				t.Fatal(err)
			}
			c.leave(t, path)
			for range 2 { // opening changes nothing any more
				k := openRotating(t, path)
				want := map[string]*signing.Signer{"first": first, "next": next}[c.current]
				if !k.Current().Public().Equal(want.Public()) {
					t.Errorf("the current key is not the %s one", c.current)
				}
				if (k.Pending() != nil) != c.pending || c.pending && !k.Pending().Public().Equal(next.Public()) {
					t.Errorf("pending is %v", k.Pending())
				}
			}
			if _, err := os.Lstat(path + ".retired"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the retired key is still there: %v", err)
			}
		})
	}
}

// A next key that could not be written, or not be made durable, does not keep others
// from being made.
func TestNextKeyAfterAFailure(t *testing.T) {
	path, _ := rotatingKeyFile(t, signing.ECDSAP256)
	k := openRotating(t, path)
	if err := os.WriteFile(path+".next", []byte("left by a failed attempt"), 0o600); err != nil {
		t.Fatal(err)
	}
	next, err := k.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Advance(); err != nil {
		t.Fatal(err)
	}
	if got := openRotating(t, path).Current().Public(); !got.Equal(next.Public()) {
		t.Error("the file does not hold the next key")
	}
}

// The retired key is not destroyed while there is none in its place.
func TestOnlyKeyIsNotDestroyed(t *testing.T) {
	path, first := rotatingKeyFile(t, signing.ECDSAP256)
	rename(t, path, path+".retired")
	if _, err := keyfile.OpenRotating(path); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a retired key, and no other: %v", err)
	}
	rename(t, path+".retired", path)
	if got := openRotating(t, path).Current().Public(); !got.Equal(first.Public()) {
		t.Error("the key is another one")
	}
}

func TestRotatingKeyFileRefused(t *testing.T) {
	if _, err := keyfile.OpenRotating(filepath.Join(t.TempDir(), "none.pem")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that does not exist: %v", err)
	}
	path, _ := rotatingKeyFile(t, signing.ECDSAP256)
	if _, err := openRotating(t, path).Next(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path+".next", 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := keyfile.OpenRotating(path); err == nil {
		t.Error("a next key that others can read was taken, or removed")
	}
	if err := os.Chmod(path+".next", 0o600); err != nil {
		t.Fatal(err)
	}
	victim := writeTemporary(t, []byte("precious"))
	if err := os.Symlink(victim, path+".retired"); err != nil {
		t.Fatal(err)
	}
	if _, err := keyfile.OpenRotating(path); err == nil {
		t.Error("a link in the place of the retired key was taken")
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "precious" {
		t.Errorf("what the link leads to was overwritten: %q, %v", b, err)
	}
}

func onlyFiles(t *testing.T, path string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(want) {
		t.Errorf("the directory holds %q, not %q", got, want)
	}
}

func writeTemporary(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func truncate(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 20); err != nil {
		t.Fatal(err)
	}
}

func empty(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
