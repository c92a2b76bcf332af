// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package keyfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// keyIn makes a key in a directory of its own.
func keyIn(t *testing.T) (directory, path string) {
	t.Helper()
	directory = filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.Mkdir(directory, 0o700))
	path = filepath.Join(directory, "key.pem")
	_, err := keyfile.Create(path, signing.Ed25519)
	require.NoError(t, err)
	return directory, path
}

// A key is not taken from where others could put another one in its place. In a sticky
// directory they cannot, unless it is one in which keys come and go.
func TestKeysInDirectoriesOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		mode             os.FileMode
		uid              int
		static, rotating string // what the error says; none if that is empty
	}{
		"its owner's":           {mode: 0o700},
		"that others can read":  {mode: 0o755},
		"the group can write":   {0o770, 0, "chmod go-w", "chmod go-w"},
		"others can write":      {0o757, 0, "chmod go-w", "chmod go-w"},
		"a volume's, setgid":    {0o775 | os.ModeSetgid, 0, "chmod go-w", "chmod go-w"},
		"sticky":                {0o777 | os.ModeSticky, 0, "", "of its own"},
		"sticky and its own":    {mode: 0o755 | os.ModeSticky},
		"of another user":       {0o700, 4711, "belongs to user 4711", "belongs to user 4711"},
		"of another, sticky":    {0o777 | os.ModeSticky, 4711, "belongs to user 4711", "belongs to user 4711"},
		"of another, read-only": {0o500, 4711, "belongs to user 4711", "belongs to user 4711"},
	} {
		t.Run(name, func(t *testing.T) {
			directory, path := keyIn(t)
			if c.uid != 0 {
				if os.Geteuid() != 0 {
					t.Skip("only root can give a directory away")
				}
				require.NoError(t, os.Chown(directory, c.uid, -1))
			}
			require.NoError(t, os.Chmod(directory, c.mode))
			_, err := keyfile.Load(path)
			says(t, "load", err, c.static, directory)
			_, err = keyfile.OpenRotating(path)
			says(t, "open to rotate", err, c.rotating, directory)
			_, err = keyfile.Create(filepath.Join(directory, "new.pem"), signing.Ed25519)
			want := c.static
			if c.uid != 0 && c.mode&0o022 == 0 || c.uid != 0 && c.mode&os.ModeSticky != 0 {
				want = "" // root makes keys for others
			}
			says(t, "create", err, want, directory)
		})
	}
}

// says fails unless an error names what it is about and the remedy, or is none if it should
// be.
func says(t *testing.T, what string, err error, remedy, about string) {
	t.Helper()
	switch {
	case remedy == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case remedy != "" && (err == nil || !strings.Contains(err.Error(), remedy) || !strings.Contains(err.Error(), about)):
		t.Errorf("%s: the error should say %q: %v", what, remedy, err)
	}
}

// What is mounted read-only is taken as it is: that is how secrets come into a container.
func TestAKeyOnAReadOnlyMount(t *testing.T) {
	directory := t.TempDir()
	if err := unix.Mount("tmpfs", directory, "tmpfs", 0, "size=64k,mode=0777"); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		assert.NoError(t, unix.Unmount(directory, unix.MNT_DETACH))
	})
	_, made := keyIn(t)
	content, err := os.ReadFile(made)
	require.NoError(t, err)
	path := filepath.Join(directory, "key.pem")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	_, err = keyfile.Load(path)
	says(t, "load", err, "chmod go-w", directory)
	require.NoError(t, unix.Mount("", directory, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=64k"))
	_, err = keyfile.Load(path)
	says(t, "load what is mounted read-only", err, "", directory)
}

// A key file with another name is not taken: under that it would outlive its end.
func TestAKeyWithTwoNames(t *testing.T) {
	directory, path := keyIn(t)
	other := filepath.Join(directory, "other.pem")
	if err := os.Link(path, other); err != nil {
		t.Skipf("there are no hard links here: %v", err)
	}
	_, err := keyfile.Load(path)
	says(t, "load", err, "cp -p", path)
	_, err = keyfile.OpenRotating(path)
	says(t, "open to rotate", err, "cp -p", path)
	require.NoError(t, os.Remove(other))
	_, err = keyfile.Load(path)
	assert.NoError(t, err)
	// What the key goes over to is a key as well.
	rotating, err := keyfile.OpenRotating(path)
	require.NoError(t, err)
	_, err = rotating.Next()
	require.NoError(t, err)
	require.NoError(t, os.Link(path+".next", other))
	_, err = keyfile.OpenRotating(path)
	says(t, "open with the next key", err, "cp -p", path+".next")
}
