// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// healthCode is what a health check answers.
func healthCode(t *testing.T, address string) int {
	t.Helper()
	response, err := http.Get("http://" + address)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// fromExample is a site with the configuration of an example, which has the health check that
// is to be shown at work, with paths and addresses of its own.
func fromExample(t *testing.T, config string) (s *site, args []string) {
	t.Helper()
	s = newSite(t, "")
	path := filepath.Join(s.dir, "example.yaml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	args = []string{"--config", path}
	for _, set := range []string{
		"receivers::otlp::protocols::grpc::endpoint=" + s.grpc,
		"receivers::otlp::protocols::http::endpoint=" + s.http,
		"extensions::health_check::http::endpoint=" + s.health,
		"exporters::auditlog::origin=e2e.example/auditlog",
		"exporters::auditlog::signing::key_file=" + s.key,
		"exporters::auditlog::state_directory=" + filepath.Join(s.dir, "state"),
		"service::telemetry::metrics::level=none",
	} {
		args = append(args, "--set", set)
	}
	return s, append(args, statusGate)
}

// The examples' health checks answer 500 while the log cannot be written, after the ten seconds
// that it may take to recover, and 200 once it can be, though nobody sends anything. One
// without component status, for those who must have a liveness probe, stays at 200.
func TestHealthOfAFullDisk(t *testing.T) {
	read := func(path ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{".."}, path...)...))
		require.NoError(t, err)
		return string(text)
	}
	for name, config := range map[string]string{
		"quick start": read("testdata", "quickstart", "config.yaml"),
		"systemd":     read("examples", "systemd", "config.yaml"),
		"gateway":     inConfigMap(t, "gateway.yaml"),
		"agent":       inConfigMap(t, "agent.yaml"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := tmpfs(t, "80m") // 64 MiB are to stay free by default
			s, args := fromExample(t, config)
			alive := freeAddresses(t, 1)[0]
			s.log = filepath.Join(d.path, "audit-log")
			extensions := "health_check,health_check/alive"
			if name == "quick start" {
				extensions += ",file_storage"
			}
			p := startCollector(t, s.dir, s.health, append(args,
				"--set", "exporters::auditlog::directory="+s.log,
				"--set", "extensions::health_check/alive::endpoint="+alive,
				"--set", "service::extensions=["+extensions+"]")...)
			require.NoError(t, s.post(request(100, "before")))
			makeRoom := d.fill(t, 32<<20)
			require.Error(t, s.post(request(100, "refused")))
			require.Equal(t, http.StatusOK, healthCode(t, s.health), "it may recover")
			eventually(t, "the health check fails", func() bool { return healthCode(t, s.health) == http.StatusInternalServerError })
			assert.Equal(t, http.StatusOK, healthCode(t, alive))
			makeRoom()
			eventually(t, "the health check succeeds again", func() bool { return healthCode(t, s.health) == http.StatusOK })
			require.NoError(t, s.post(request(100, "after")))
			p.stop(t)
		})
	}
}

// So does it when a witness says that the log was forked, while records are taken.
func TestHealthOfAContradictedLog(t *testing.T) {
	t.Parallel()
	w := witnesstest.New(t, "witness.example/w1")
	s, args := fromExample(t, inConfigMap(t, "gateway.yaml"))
	checkpoints := filepath.Join(s.dir, "checkpoint.pem")
	key, err := keyfile.Create(checkpoints, signing.Ed25519)
	require.NoError(t, err)
	w.Trust(t, "e2e.example/auditlog", key.Public())
	more := filepath.Join(s.dir, "witnesses.yaml")
	require.NoError(t, os.WriteFile(more, []byte(strings.NewReplacer("$URL", w.Listen(t), "$KEY", w.Key.String(), "$FILE", checkpoints).Replace(`
exporters:
  auditlog:
    min_free_space_mib: 0
    signing: {checkpoint_key_file: $FILE}
    witnesses: [{url: "$URL", public_key: "$KEY"}]
    witness_interval: 100ms
`)), 0o600))
	args = append([]string{"--config", filepath.Join(s.dir, "example.yaml"), "--config", more}, args[2:]...)
	p := startCollector(t, s.dir, s.health, append(args, "--set", "exporters::auditlog::directory="+s.log)...)
	require.NoError(t, s.post(request(100, "a")))
	w.Await(t, 1)
	w.Misbehave(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnprocessableEntity) })
	require.NoError(t, s.post(request(100, "b")))
	eventually(t, "the health check fails", func() bool { return healthCode(t, s.health) == http.StatusInternalServerError })
	require.NoError(t, s.post(request(100, "c")))
	p.stop(t)
}
