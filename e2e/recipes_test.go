// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The recipes that are marked as run print what docs/recipes.md says.
func TestRecipes(t *testing.T) {
	program := shop(t)
	s := newSite(t, "")
	p := s.start(t)
	_, failure := emitAll(t, program, s.grpc)
	require.Empty(t, failure)
	p.stop(t)

	path := recipePath(t)
	for _, r := range blocks(t, "run", filepath.Join("..", "docs", "recipes.md")) {
		t.Run(r.name(), func(t *testing.T) {
			if slices.Contains(strings.Fields(r.argument), "clickhouse-server") {
				if _, err := exec.LookPath("clickhouse-server"); err == nil {
					serveClickHouse(t, s.dir)
				}
			}
			assert.Equal(t, r.output, r.runIn(t, s.dir, path))
		})
	}
}

// recipePath sets and returns the PATH on which recipes find their programs: the
// auditlog under test, what is installed, and last the duckdb of interop/duckdb. Servers
// are where users do not look.
func recipePath(t *testing.T) string {
	t.Helper()
	duckdb, err := filepath.Abs(filepath.Join("..", "build", "duckdb"))
	require.NoError(t, err)
	path := strings.Join([]string{filepath.Dir(auditlog), os.Getenv("PATH"), "/usr/sbin", duckdb}, string(os.PathListSeparator))
	t.Setenv("PATH", path)
	return path
}

// serveClickHouse runs a ClickHouse server until the test ends, and has the client find
// it from dir.
func serveClickHouse(t *testing.T, dir string) {
	t.Helper()
	home := t.TempDir()
	host, port, err := net.SplitHostPort(freeAddresses(t, 1)[0])
	require.NoError(t, err)
	for name, text := range map[string]string{
		filepath.Join(home, "config.xml"): fmt.Sprintf(`<yandex>
  <logger><level>error</level><console>1</console></logger>
  <listen_host>%s</listen_host><tcp_port>%s</tcp_port>
  <path>%[3]s/data/</path><tmp_path>%[3]s/tmp/</tmp_path>
  <mark_cache_size>67108864</mark_cache_size>
  <users_config>%[3]s/users.xml</users_config>
  <default_profile>default</default_profile><default_database>default</default_database>
</yandex>`, host, port, home),
		filepath.Join(home, "users.xml"): `<yandex>
  <profiles><default/></profiles><quotas><default/></quotas>
  <users><default><password></password><networks><ip>127.0.0.0/8</ip></networks><profile>default</profile><quota>default</quota></default></users>
</yandex>`,
		filepath.Join(dir, "clickhouse-client.xml"): fmt.Sprintf("<config><host>%s</host><port>%s</port></config>", host, port),
	} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	server := exec.Command("clickhouse-server", "--config-file="+filepath.Join(home, "config.xml"))
	server.Dir = home
	var log strings.Builder
	server.Stdout, server.Stderr = &log, &log
	require.NoError(t, server.Start())
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		if err := server.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-ended
		if t.Failed() {
			t.Log(log.String())
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, waitAtMost, pollEvery)
}
