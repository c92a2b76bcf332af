// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package kafka_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kafkareceiver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// asCollector in the environment makes the test's binary a collector.
const asCollector = "AUDITLOG_KAFKA_COLLECTOR"

const (
	waitAtMost = time.Minute
	pollEvery  = 10 * time.Millisecond
)

func TestMain(m *testing.M) {
	if os.Getenv(asCollector) == "" {
		os.Exit(m.Run())
	}
	command := otelcol.NewCommand(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "otelcol-kafka", Version: "test"},
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory(), envprovider.NewFactory()},
		}},
	})
	if command.Execute() != nil { // which it has printed
		os.Exit(1)
	}
	os.Exit(0)
}

// factories are those of the configuration in docs/kafka.md.
func factories() (f otelcol.Factories, err error) {
	f.Telemetry = otelconftelemetry.NewFactory()
	if f.Receivers, err = otelcol.MakeFactoryMap[receiver.Factory](kafkareceiver.NewFactory()); err != nil {
		return f, err
	}
	f.Exporters, err = otelcol.MakeFactoryMap[exporter.Factory](auditlogexporter.NewFactory())
	return f, err
}

// collector is one that is configured as docs/kafka.md says. Where its broker and its files
// are is set in a second file, and how long it waits for things, which the page leaves to
// its reader or to defaults.
type collector struct {
	dir, log string
	receiver string // more of the receiver's configuration, in YAML
	metrics  string // where they can be fetched; "": nowhere
	broker   *broker
}

func newCollector(t *testing.T, b *broker) *collector {
	t.Helper()
	dir := t.TempDir()
	return &collector{dir: dir, log: filepath.Join(dir, "audit-log"), broker: b}
}

// documented is the configuration in docs/kafka.md, as it is there.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "kafka.md"))
	require.NoError(t, err)
	_, rest, begins := strings.Cut(string(page), "```yaml\n")
	block, _, ends := strings.Cut(rest, "```\n")
	require.True(t, begins, "docs/kafka.md has no configuration")
	require.True(t, ends, "docs/kafka.md has no configuration")
	return block
}

func (c *collector) adapted() string {
	metrics := "level: none"
	if host, port, found := strings.Cut(c.metrics, ":"); found {
		metrics = fmt.Sprintf("level: normal\n      readers: [{pull: {exporter: {prometheus: {host: %s, port: %s}}}}]", host, port)
	}
	return strings.NewReplacer(
		"$BROKERS", strings.Join(c.broker.cluster.ListenAddrs(), ", "), "$DIR", c.dir, "$LOG", c.log, "$INSTANCE", filepath.Base(c.dir), "$RECEIVER", c.receiver, "$METRICS", metrics,
	).Replace(`
receivers:
  kafka:
    brokers: [$BROKERS]
    session_timeout: 1s
    heartbeat_interval: 100ms
    autocommit: {interval: 100ms}
    error_backoff: {initial_interval: 20ms, max_interval: 50ms}
    $RECEIVER
exporters:
  auditlog:
    directory: $LOG
    origin: kafka.example/$INSTANCE
    signing: {key_file: $DIR/key.pem}
    idempotency: {on_conflict: refuse}
service:
  telemetry:
    metrics:
      $METRICS
`)
}

// start starts the collector and does not wait for anything.
func (c *collector) start(t *testing.T) *process {
	t.Helper()
	page, adapted := filepath.Join(c.dir, "page.yaml"), filepath.Join(c.dir, "adapted.yaml")
	for path, config := range map[string]string{page: documented(t), adapted: c.adapted()} {
		require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	}
	self, err := os.Executable()
	require.NoError(t, err)
	p := &process{cmd: exec.Command(self, "--config", page, "--config", adapted), exited: make(chan struct{})}
	p.cmd.Dir = c.dir
	p.cmd.Env = append(os.Environ(), asCollector+"=yes")
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	require.NoError(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() && !p.killed {
			t.Logf("the collector's output:\n%s", p.output.String())
		}
	})
	return p
}

// verify checks the log, and that no record is in it twice.
func (c *collector) verify(t *testing.T) {
	t.Helper()
	key, err := keyfile.LoadPublic(filepath.Join(c.dir, "key.pub.pem"))
	require.NoError(t, err)
	report, err := verify.Log(t.Context(), os.DirFS(c.log), verify.Options{Keys: []*signing.PublicKey{key}})
	require.NoError(t, err, "%+v", report)
	require.False(t, report.TamperingDetected, "%+v", report)
	for _, f := range report.Findings {
		assert.NotEqual(t, verify.Kind("duplicate_event_id"), f.Kind, "%+v", f)
	}
}

// process is a collector that runs.
type process struct {
	cmd    *exec.Cmd
	output output
	exited chan struct{} // closed once it has
	err    error
	killed bool
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// says returns how often the collector has said something.
func (p *process) says(what string) int { return strings.Count(p.output.String(), what) }

// kill ends the collector with no time for anything.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.alive(t)
	p.killed = true
	require.NoError(t, p.cmd.Process.Kill())
	<-p.exited
}

// stop ends the collector the way a service manager does.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.alive(t)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.exited:
	case <-time.After(waitAtMost):
		t.Fatal("the collector does not end")
	}
	require.NoError(t, p.err, "the collector ended")
}

// alive fails if the collector has ended by itself.
func (p *process) alive(t *testing.T) {
	t.Helper()
	select {
	case <-p.exited:
		t.Fatalf("the collector ended: %v", p.err)
	default:
	}
}

// await waits, while collectors run, for what must come true.
func await(t *testing.T, what string, done func() bool, running ...*process) {
	t.Helper()
	deadline := time.NewTimer(waitAtMost)
	defer deadline.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for !done() {
		select {
		case <-poll.C:
			for _, p := range running {
				p.alive(t)
			}
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
