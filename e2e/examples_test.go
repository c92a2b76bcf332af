// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// exampleUser is who the collector of the examples runs as.
const exampleUser = 10001

// runExample runs the collector with the configuration of an example, as a user with no
// rights, with other paths and addresses, sends it records, and verifies
// the log.
func runExample(t *testing.T, config string, replace map[string]string, state, key string) {
	t.Helper()
	addresses := freeAddresses(t, 2)
	replace[strings.TrimSpace(after(t, config, "endpoint:"))] = addresses[0]
	for old, now := range replace {
		require.Contains(t, config, old)
		config = strings.ReplaceAll(config, old, now)
	}
	dir := t.TempDir()
	open(t, dir)
	file, more := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "more.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o644))
	require.NoError(t, os.WriteFile(more, fmt.Appendf(nil, "extensions:\n  health_check:\n    http:\n      endpoint: %s\nservice:\n  telemetry:\n    metrics:\n      level: none\n", addresses[1]), 0o644))
	args := []string{"--config", file, "--config", more, statusGate}

	validate := exec.Command(collector, append([]string{"validate"}, args...)...)
	output, err := validate.CombinedOutput()
	require.NoError(t, err, "%s", output)

	// Where the collector was built may be root's alone.
	binary := filepath.Join(dir, "otelcol-auditlog")
	b, err := os.ReadFile(collector)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(binary, b, 0o755))
	p := launchAs(t, dir, &syscall.Credential{Uid: exampleUser, Gid: exampleUser}, append([]string{binary}, args...)...)
	p.awaitReady(t, addresses[1])
	generate(t, addresses[0], 2, 50)
	p.stop(t)

	log := filepath.Join(state, "audit-log")
	info, err := os.Stat(log)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	code, report := runVerify(t, log, "--key", key)
	require.Zero(t, code, "%+v", report)
	assert.EqualValues(t, 100, report.TotalEvents-report.OwnEvents)
}

// after returns what stands behind a word on its line.
func after(t *testing.T, text, word string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, word)
	require.True(t, found)
	line, _, _ := strings.Cut(rest, "\n")
	return line
}

// open lets others get at what is in a test's directory.
func open(t *testing.T, dir string) {
	t.Helper()
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
}

// exampleKey makes a key as the examples' readers do, for the examples' user.
func exampleKey(t *testing.T, path string) (public string) {
	t.Helper()
	code, out := runAuditlog(t, "keygen", "--out", path)
	require.Zero(t, code, "%s", out)
	require.NoError(t, os.Chown(path, exampleUser, exampleUser))
	return strings.TrimSuffix(path, ".pem") + ".pub.pem"
}

// inConfigMap returns the configuration in a manifest.
func inConfigMap(t *testing.T, name string) (config string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "examples", "kubernetes", name))
	require.NoError(t, err)
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		object, err := confmap.NewRetrievedFromYAML(document)
		require.NoError(t, err)
		conf, err := object.AsConf()
		require.NoError(t, err)
		if conf.Get("kind") == "ConfigMap" {
			config = conf.Get("data").(map[string]any)["config.yaml"].(string)
		}
	}
	require.NotEmpty(t, config)
	return config
}

// The gateway runs with the configuration of its ConfigMap on a volume as Kubernetes
// mounts it, root's and for the group to write, and its key on another one, that is in
// memory, for all to write, and read-only for the collector.
func TestKubernetesGateway(t *testing.T) {
	needRoot(t)
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	volume, keys, state := filepath.Join(dir, "volume"), filepath.Join(dir, "keys"), filepath.Join(dir, "state")
	for mount, mode := range map[string]os.FileMode{volume: 0o775, keys: 0o777, state: 0o775} {
		require.NoError(t, os.Mkdir(mount, 0o700))
		require.NoError(t, os.Chown(mount, 0, exampleUser))
		require.NoError(t, os.Chmod(mount, mode|os.ModeSetgid))
	}
	made := filepath.Join(dir, "made")
	require.NoError(t, os.Mkdir(made, 0o700))
	exampleKey(t, filepath.Join(made, "audit-log-key.pem"))
	for _, name := range []string{"audit-log-key.pem", "audit-log-key.pub.pem"} {
		require.NoError(t, os.Rename(filepath.Join(made, name), filepath.Join(keys, name)))
	}
	for _, args := range [][]string{{"--bind", keys, keys}, {"-o", "remount,bind,ro", keys}} {
		output, err := exec.Command("mount", args...).CombinedOutput()
		require.NoError(t, err, "%s", output)
		if args[0] == "--bind" {
			t.Cleanup(func() { assert.NoError(t, exec.Command("umount", keys).Run()) })
		}
	}
	public := filepath.Join(keys, "audit-log-key.pub.pem")
	runExample(t, inConfigMap(t, "gateway.yaml"), map[string]string{
		"/var/lib/otelcol/": volume + "/", "/var/lib/otelcol-state/": state + "/", "/run/keys/": keys + "/", "${env:POD_NAME}": "audit-log-0",
	}, volume, public)
}

// So does the agent, in a directory of the node's that it was given, and makes its key.
func TestKubernetesAgent(t *testing.T) {
	needRoot(t)
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	node := filepath.Join(dir, "node")
	require.NoError(t, os.Mkdir(node, 0o700))
	require.NoError(t, os.Chown(node, exampleUser, exampleUser))
	runExample(t, inConfigMap(t, "agent.yaml"), map[string]string{
		"/var/lib/otelcol/": node + "/", "${env:NODE_NAME}": "node-1",
	}, node, filepath.Join(node, "audit-log-key.pub.pem"))
}

// The service runs with its configuration and a state directory as systemd makes it, and
// systemd finds nothing wrong with the unit.
func TestSystemdExample(t *testing.T) {
	needRoot(t)
	t.Parallel()
	example := filepath.Join("..", "examples", "systemd")
	config, err := os.ReadFile(filepath.Join(example, "config.yaml"))
	require.NoError(t, err)
	dir := t.TempDir()
	open(t, dir)
	state, keys := filepath.Join(dir, "state"), filepath.Join(dir, "keys")
	for _, made := range []string{state, keys} {
		require.NoError(t, os.Mkdir(made, 0o700))
		require.NoError(t, os.Chown(made, exampleUser, exampleUser))
	}
	public := exampleKey(t, filepath.Join(keys, "audit-log-key.pem"))
	runExample(t, string(config), map[string]string{"/var/lib/otelcol-auditlog/": state + "/", "/etc/otelcol-auditlog/keys/": keys + "/"}, state, public)

	unit, err := os.ReadFile(filepath.Join(example, "otelcol-auditlog.service"))
	require.NoError(t, err)
	assert.Contains(t, string(unit), "StateDirectoryMode=0700\n")
	assert.Contains(t, string(unit), "UMask=0077\n")
	assert.Contains(t, string(unit), " "+statusGate+"\n")
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze to look at the unit")
	}
	file := filepath.Join(dir, "otelcol-auditlog.service")
	require.NoError(t, os.WriteFile(file, bytes.Replace(unit, []byte("/usr/local/bin/otelcol-auditlog"), []byte("/bin/true"), 1), 0o644))
	for _, args := range [][]string{{"verify", file}, {"security", "--offline=yes", "--threshold=20", file}} {
		output, err := exec.Command(analyze, args...).CombinedOutput()
		assert.NoError(t, err, "%s", output)
	}
}
