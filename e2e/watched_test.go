// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// watched is a site whose collector tells the status of its components and its
// metrics, and has no other component that writes files.
type watched struct {
	*site
	metrics string // an address
	reserve int    // MiB that are to stay free
	origin  string
	keys    string // when the key is replaced
}

func newWatched(t *testing.T, exporter string) *watched {
	t.Helper()
	return &watched{site: newSite(t, exporter), metrics: freeAddresses(t, 1)[0], origin: "e2e.example/auditlog", keys: "never"}
}

// statusGate has the health check tell what components report.
const statusGate = "--feature-gates=+extension.healthcheck.useComponentStatus"

// arguments writes the configuration and returns the collector's arguments.
func (w *watched) arguments(t *testing.T) []string {
	t.Helper()
	host, port, _ := strings.Cut(w.metrics, ":")
	config := strings.NewReplacer(
		"$LOG", w.log, "$KEYS", w.keys, "$KEY", w.key, "$GRPC", w.grpc, "$HTTP", w.http, "$HEALTH", w.health,
		"$SCOPE", w.scope, "$EXPORTER", w.exporter, "$METRICS_HOST", host, "$METRICS_PORT", port,
		"$RESERVE", strconv.Itoa(w.reserve), "$ORIGIN", w.origin,
	).Replace(`
extensions:
  health_check:
    use_v2: true
    http: {endpoint: $HEALTH, status: {enabled: true, path: /status}}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: $GRPC, max_recv_msg_size_mib: 64}
      http: {endpoint: $HTTP}
exporters:
  auditlog:
    directory: $LOG
    origin: $ORIGIN
    signing: {key_file: $KEY, scope: $SCOPE, rotate_key: $KEYS}
    min_free_space_mib: $RESERVE
    $EXPORTER
service:
  extensions: [health_check]
  telemetry:
    metrics:
      level: normal
      readers: [{pull: {exporter: {prometheus: {host: $METRICS_HOST, port: $METRICS_PORT}}}}]
  pipelines:
    logs: {receivers: [otlp], exporters: [auditlog]}
`)
	path := filepath.Join(w.dir, "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	return []string{"--config", path, statusGate}
}

// start starts a collector and waits until it is ready.
func (w *watched) start(t *testing.T) *process {
	t.Helper()
	return startCollector(t, w.dir, w.health+"/status", w.arguments(t)...)
}

// get fetches a page. It reads it to its end, so that the connection can be used again.
func get(t *testing.T, address string) []byte {
	t.Helper()
	response, err := http.Get("http://" + address)
	require.NoError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return content
}

// componentStatus is what the health check says of a component.
type componentStatus struct {
	Status     string                     `json:"status"`
	Error      string                     `json:"error"`
	Components map[string]componentStatus `json:"components"`
}

// status returns what the exporter reports of itself.
func (w *watched) status(t *testing.T) componentStatus {
	t.Helper()
	var all componentStatus
	require.NoError(t, json.Unmarshal(get(t, w.health+"/status?verbose"), &all))
	return all.Components["pipeline:logs"].Components["exporter:auditlog"]
}

const (
	statusOK          = "StatusOK"
	statusRecoverable = "StatusRecoverableError"
)

// awaitStatus waits until the exporter's status is this one.
func (w *watched) awaitStatus(t *testing.T, want string) {
	t.Helper()
	eventually(t, "the exporter's status is "+want, func() bool { return w.status(t).Status == want })
}

// metric returns the value of one of the exporter's metrics, 0 if it has none yet.
// The labels are as Prometheus writes them, without that of the exporter.
func (w *watched) metric(t *testing.T, name, labels string) float64 {
	t.Helper()
	want := `otelcol_exporter_auditlog_` + name + `{exporter="auditlog"`
	if labels != "" {
		want += "," + labels
	}
	want += "} "
	for line := range strings.Lines(string(get(t, w.metrics+"/metrics"))) {
		if value, ok := strings.CutPrefix(line, want); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			require.NoError(t, err)
			return v
		}
	}
	return 0
}

// refusedFor returns how many calls were refused for a reason.
func (w *watched) refusedFor(t *testing.T, reason string) float64 {
	t.Helper()
	return w.metric(t, "refused_batches", `reason="`+reason+`"`)
}

// awaitMaintenance waits until all segments but the newest are compressed, there are
// no more of them than are to be kept (0: any number), and nothing unfinished lies
// about.
func (s *site) awaitMaintenance(t *testing.T, suffix string, keep int) {
	t.Helper()
	eventually(t, "sealed segments are compressed and old ones deleted", func() bool {
		names := segments(t, s.log)
		return len(names) > 0 && (keep == 0 || len(names) <= keep) &&
			!slices.ContainsFunc(names[:len(names)-1], func(name string) bool { return !hasSuffix(name, suffix) })
	})
}
