// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

const (
	waitAtMost = time.Minute
	pollEvery  = 20 * time.Millisecond
)

// site is where a collector runs: its files and ports, the same at every start.
type site struct {
	dir                string // holds everything
	log                string // the audit log
	key, public        string
	tailed             string // a file whose lines the collector reads
	operators          string // on those lines, in YAML, one line
	retry              string // of the receiver of those lines, in YAML, one line
	grpc, http, health string // addresses
	scope              string // what is signed
	signing            string // more of the signing configuration, in YAML, one line
	// exporter is more of the exporter's configuration, in YAML, one line.
	exporter string
}

func newSite(t *testing.T, exporter string) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{
		dir:      dir,
		log:      filepath.Join(dir, "audit-log"),
		key:      filepath.Join(dir, "audit-log-key.pem"),
		public:   filepath.Join(dir, "audit-log-key.pub.pem"),
		tailed:   filepath.Join(dir, "app.log"),
		retry:    "enabled: true, max_elapsed_time: 0",
		scope:    "event",
		exporter: exporter,
	}
	addresses := freeAddresses(t, 3)
	s.grpc, s.http, s.health = addresses[0], addresses[1], addresses[2]
	return s
}

// hosts counts the loopback addresses in use.
var hosts atomic.Uint32

// freeAddresses finds addresses that nothing listens on. Where the whole of 127/8 is
// loopback, each call has a host of its own: a port found free stays free.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		next := hosts.Add(1)
		host = fmt.Sprintf("127.%d.%d.%d", 1+os.Getpid()%250, 1+next/250%250, 1+next%250)
	}
	addresses := make([]string, n)
	for i := range addresses {
		l, err := net.Listen("tcp", host+":0")
		require.NoError(t, err)
		defer l.Close() // kept until all are found, so that they differ
		addresses[i] = l.Addr().String()
	}
	return addresses
}

func (s *site) config() string {
	return strings.NewReplacer(
		"$DIR", s.dir, "$LOG", s.log, "$KEY", s.key, "$TAILED", s.tailed, "$OPERATORS", s.operators, "$RETRY", s.retry,
		"$GRPC", s.grpc, "$HTTP", s.http, "$HEALTH", s.health, "$SCOPE", s.scope, "$SIGNING", s.signing, "$EXPORTER", s.exporter,
	).Replace(`
extensions:
  health_check: {endpoint: $HEALTH}
  file_storage: {directory: $DIR/offsets, create_directory: true}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: $GRPC}
      http: {endpoint: $HTTP}
  file_log:
    include: [$TAILED]
    operators: [$OPERATORS]
    start_at: beginning
    storage: file_storage
    poll_interval: 50ms
    retry_on_failure: {$RETRY}
exporters:
  auditlog:
    directory: $LOG
    origin: e2e.example/auditlog
    signing: {key_file: $KEY, scope: $SCOPE, $SIGNING}
    min_free_space_mib: 0
    $EXPORTER
service:
  extensions: [health_check, file_storage]
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [otlp, file_log], exporters: [auditlog]}
`)
}

// process is a collector that runs.
type process struct {
	cmd    *exec.Cmd
	output *output
	exited chan struct{} // closed once it has
	err    error
	killed bool // by kill
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

// start starts a collector and waits until it is ready.
func (s *site) start(t *testing.T) *process {
	t.Helper()
	path := filepath.Join(s.dir, "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(s.config()), 0o600))
	return startCollector(t, s.dir, s.health, "--config", path)
}

func startCollector(t *testing.T, dir, health string, args ...string) *process {
	t.Helper()
	p := launch(t, dir, append([]string{collector}, args...)...)
	p.awaitReady(t, health)
	return p
}

// launch starts a collector, or a program that becomes one, and does not wait for
// anything.
func launch(t *testing.T, dir string, command ...string) *process {
	t.Helper()
	return launchAs(t, dir, nil, command...)
}

// launchAs starts it as another user.
func launchAs(t *testing.T, dir string, user *syscall.Credential, command ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(command[0], command[1:]...), output: new(output), exited: make(chan struct{})}
	p.cmd.Dir = dir
	if user != nil {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	require.NoError(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		if t.Failed() {
			// The output then ends with the stacks of all goroutines.
			_ = p.cmd.Process.Signal(syscall.SIGQUIT)
			select {
			case <-p.exited:
			case <-time.After(10 * time.Second):
			}
		}
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() && !p.killed {
			t.Logf("the collector's output:\n%s", resource.ReplaceAllString(p.output.String(), ""))
		}
	})
	return p
}

// resource is in every line that a collector writes, and the same in all.
var resource = regexp.MustCompile(`"resource": \{[^}]*\},? ?`)

// awaitReady waits until the collector is up. It fails if the collector ends.
func (p *process) awaitReady(t *testing.T, health string) {
	t.Helper()
	eventually(t, "the collector is ready", func() bool {
		require.False(t, p.ended(), "the collector ended: %v", p.err)
		return isReady(health)
	})
}

// isReady asks a health check whether its collector is up.
func isReady(health string) bool {
	response, err := http.Get("http://" + health)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// eventually waits for what must come true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(waitAtMost)
	defer deadline.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for !done() {
		select {
		case <-poll.C:
		case <-deadline.C:
			require.FailNow(t, "waited in vain", "%s", what)
		}
	}
}

// stop ends the collector the way a service manager does.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.end(t)
	// A collector that has only just said that it is ready may not listen to signals yet.
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		require.NoError(t, p.err)
	}
}

// end is stop for a collector that may have something to complain of.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		require.ErrorIs(t, err, os.ErrProcessDone)
	}
	eventually(t, "the collector ends", p.ended)
}

// kill ends the collector with no time for anything.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.killed = true
	require.NoError(t, p.cmd.Process.Kill())
	<-p.exited
}

// post sends a request by OTLP over HTTP. It returns nil if it was acknowledged.
func (s *site) post(logs plog.Logs) error {
	// An export request is encoded as the data themselves are.
	body, err := new(plog.ProtoMarshaler).MarshalLogs(logs)
	if err != nil {
		return err
	}
	response, err := http.Post("http://"+s.http+"/v1/logs", "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, answer)
	}
	return nil
}

// request makes a request with one record for each id.
func request(padding int, ids ...string) plog.Logs {
	logs := plog.NewLogs()
	r := logs.ResourceLogs().AppendEmpty()
	r.Resource().Attributes().PutStr("service.name", "e2e")
	records := r.ScopeLogs().AppendEmpty().LogRecords()
	for _, id := range ids {
		r := records.AppendEmpty()
		r.SetTimestamp(1_795_000_000_000_000_000)
		r.SetEventName("user.login")
		r.Body().SetStr(strings.Repeat("x", padding))
		r.Attributes().PutStr("audit.record.id", id)
	}
	return logs
}

// numbered returns n ids.
func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%05d", prefix, i)
	}
	return ids
}

// fill sends n records of about 1.2 KB on disk each.
func (s *site) fill(t *testing.T, prefix string, n int) {
	t.Helper()
	ids := numbered(prefix, n)
	for from := 0; from < n; from += 100 {
		require.NoError(t, s.post(request(700, ids[from:min(from+100, n)]...)))
	}
}
