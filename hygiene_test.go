// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

// The log is its owner's alone whatever the umask is, a key that others cannot read
// among it, and the public key for everybody.
func TestModesWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077, 0o777} {
		t.Run(fmt.Sprintf("%04o", umask), func(t *testing.T) {
			if umask == 0o777 && os.Geteuid() != 0 {
				t.Skip("nobody but root can make a directory of mode 0 and use it")
			}
			c := testConfig(t, inScope(segline.ScopeCheckpoint))
			c.Signing.RotateKey = "segment"
			c.Rotation.MaxSizeMiB = 1
			before := syscall.Umask(umask)
			defer syscall.Umask(before)
			r := start(t, c)
			// More than a segment holds, so that all kinds of files are written.
			for i := range 4 {
				logs := records(ids(fmt.Sprint(i), 400)...)
				logs.ResourceLogs().At(0).Resource().Attributes().PutStr("padding", strings.Repeat("x", 1000))
				require.NoError(t, r.ConsumeLogs(t.Context(), logs))
			}
			r.stop(t)
			kinds := 0
			err := filepath.WalkDir(filepath.Dir(c.Directory), func(path string, d fs.DirEntry, err error) error {
				if err != nil || path == filepath.Dir(c.Directory) {
					return err
				}
				info, err := d.Info()
				if err != nil {
					return err
				}
				want := fs.FileMode(0o600)
				switch {
				case d.IsDir():
					want = 0o700 | fs.ModeDir
				case strings.HasSuffix(path, ".pub.pem"):
					want = 0o644
				}
				assert.Equal(t, want, info.Mode(), path)
				kinds++
				return nil
			})
			require.NoError(t, err)
			// The directory, two segments, the lock, the checkpoint, the key changes, two
			// keys.
			assert.GreaterOrEqual(t, kinds, 8)
		})
	}
}

// A link does not make a key that lies in the log's directory lie elsewhere.
func TestKeyInTheLogDirectoryThroughALink(t *testing.T) {
	for name, arrange := range map[string]func(*testing.T, *auditlogexporter.Config, string){
		"the key's directory is a link": func(t *testing.T, c *auditlogexporter.Config, real string) {
			require.NoError(t, os.Symlink(real, filepath.Join(filepath.Dir(real), "keys")))
			c.Signing.KeyFile = filepath.Join(filepath.Dir(real), "keys", "key.pem")
		},
		"the log's directory is below a link": func(t *testing.T, c *auditlogexporter.Config, real string) {
			link := filepath.Join(t.TempDir(), "link")
			require.NoError(t, os.Symlink(filepath.Dir(real), link))
			c.Directory = filepath.Join(link, filepath.Base(real))
			c.Signing.KeyFile = filepath.Join(real, "key.pem")
		},
		"the previous key": func(t *testing.T, c *auditlogexporter.Config, real string) {
			require.NoError(t, os.Symlink(real, filepath.Join(filepath.Dir(real), "keys")))
			c.Signing.PreviousKeyFile = filepath.Join(filepath.Dir(real), "keys", "key.pem")
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t)
			require.NoError(t, os.Mkdir(c.Directory, 0o700))
			arrange(t, c, c.Directory)
			require.NoError(t, c.Validate(), "the names alone do not tell")
			assert.ErrorContains(t, startError(t, c), "lies in the log's directory")
			entries, err := os.ReadDir(c.Directory)
			require.NoError(t, err)
			assert.Empty(t, entries, "nothing was written")
		})
	}
}

// Neither keys nor what records hold ever reach the collector's own log, or an error.
func TestNothingSensitiveIsSaid(t *testing.T) {
	const secret = "hunter2-in-a-record"
	said := ""
	c := testConfig(t)
	c.Mapping.Strict = true
	r := start(t, c)
	key, err := os.ReadFile(c.Signing.KeyFile)
	require.NoError(t, err)
	good, vague, huge := records("a"), plog.NewLogs(), records("b")
	good.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr(secret)
	vague.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(secret)
	huge.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr(strings.Repeat(secret, segline.MaxBytes/len(secret)+1))
	require.NoError(t, r.ConsumeLogs(t.Context(), good))
	for _, bad := range []plog.Logs{vague, huge} {
		err := r.ConsumeLogs(t.Context(), bad)
		require.Error(t, err)
		said += err.Error() + "\n"
	}
	require.NoError(t, os.Chmod(c.Directory, 0o777))
	require.NoError(t, os.RemoveAll(c.Directory))
	err = r.ConsumeLogs(t.Context(), good)
	require.Error(t, err)
	said += err.Error() + "\n"
	_ = r.Shutdown(t.Context())
	// A key file that somebody has spoilt.
	require.NoError(t, os.WriteFile(c.Signing.KeyFile, key[:len(key)-30], 0o600))
	said += startError(t, c).Error() + "\n"
	for _, entry := range r.logged.All() {
		said += fmt.Sprintln(entry.Message, entry.ContextMap())
	}
	assert.Contains(t, said, "audit log", "something was said at all")
	assert.NotContains(t, said, secret)
	for line := range strings.Lines(string(key)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
			assert.NotContains(t, said, line[:min(16, len(line))])
		}
	}
}
