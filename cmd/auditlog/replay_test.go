// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// receiver is an OTLP receiver that notes the ids of records, and refuses what
// comes after a number of requests.
type receiver struct {
	plogotlp.UnimplementedGRPCServer
	mu       sync.Mutex
	busy     int // how many requests to put off before
	takes    int
	ids      []string
	metadata metadata.MD
}

func (r *receiver) Export(ctx context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy--; r.busy >= 0 {
		return plogotlp.NewExportResponse(), status.Error(codes.Unavailable, "not now")
	}
	if r.takes--; r.takes < 0 {
		return plogotlp.NewExportResponse(), status.Error(codes.PermissionDenied, "enough\x1b[2J")
	}
	r.metadata, _ = metadata.FromIncomingContext(ctx)
	for _, rl := range request.Logs().ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, record := range sl.LogRecords().All() {
				id, _ := record.Attributes().Get("audit.record.id")
				r.ids = append(r.ids, id.Str())
			}
		}
	}
	return plogotlp.NewExportResponse(), nil
}

func (r *receiver) serve(t *testing.T, options ...grpc.ServerOption) (endpoint string) {
	t.Helper()
	return serve(t, r, options...)
}

// serve starts a receiver and returns its address.
func serve(t *testing.T, r plogotlp.GRPCServer, options ...grpc.ServerOption) (endpoint string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(options...)
	plogotlp.RegisterGRPCServer(server, r)
	done := make(chan error)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		assert.NoError(t, <-done)
	})
	return listener.Addr().String()
}

// writeLog writes a log of records, with its key beside it, and returns its directory.
func writeLog(t *testing.T, dir string, records ...plog.LogRecord) string {
	t.Helper()
	return writeLogOf(t, dir, 1, records...)
}

// writeLogOf is writeLog with segments of a certain size.
func writeLogOf(t *testing.T, dir string, maxSegmentBytes int64, records ...plog.LogRecord) string {
	t.Helper()
	s, err := keyfile.Create(filepath.Join(dir, "key.pem"), signing.ECDSAP256)
	require.NoError(t, err)
	log := filepath.Join(dir, "log")
	w := newLog(t, log, s, maxSegmentBytes)
	for _, r := range records {
		w.Records(r)
	}
	w.Close()
	return log
}

// A replay that is refused says how far it came, and goes on from there.
func TestReplay(t *testing.T) {
	dir := t.TempDir()
	log := writeLog(t, dir, records()...)

	r := &receiver{takes: 2}
	endpoint := r.serve(t)
	replay := func(args ...string) (code int, stdout, stderr string) {
		var out, errs strings.Builder
		code = run(t.Context(), append([]string{"replay", log, "--endpoint", endpoint, "--insecure", "--key", filepath.Join(dir, "key.pub.pem")}, args...), &out, &errs)
		return code, out.String(), errs.String()
	}

	// The events are the leaves 3, 7 and 11; the others are headers and the log's own.
	code, stdout, stderr := replay("--batch", "1", "--header", "authorization=Bearer x", "--header", "X-Tenant=a")
	assert.Equal(t, exitUnchecked, code, "exit code")
	assert.Equal(t, "2 events acknowledged, the last of them leaf 7: go on with --from-index 8\n", stdout, "exit code")
	assert.Contains(t, stderr, `enough\x1b[2J`, "exit code")
	got := r.metadata
	assert.Equal(t, []string{"Bearer x"}, got["authorization"], "headers %v", got)
	assert.Equal(t, []string{"a"}, got["x-tenant"], "headers %v", got)
	assert.True(t, strings.HasPrefix(strings.Join(got["user-agent"], ""), "auditlog"), "headers %v", got)
	r.takes = 1
	if code, stdout, stderr := replay("--from-index", "8"); code != exitGood || stdout != "1 events acknowledged, the last of them leaf 11: go on with --from-index 12\n" || stderr != "" {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	assert.Equal(t, []string{"id-0", "id-1", "id-2"}, r.ids, "received")
	r.takes, r.ids = 1, nil
	if code, _, _ := replay("--success", "false"); code != exitGood || !slices.Equal(r.ids, []string{"id-1"}) {
		t.Errorf("exit code %d, received %v", code, r.ids)
	}
}

// mute is a receiver that never answers.
type mute struct {
	plogotlp.UnimplementedGRPCServer
}

func (*mute) Export(ctx context.Context, _ plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	<-ctx.Done()
	return plogotlp.NewExportResponse(), ctx.Err()
}

// A replay to a receiver that does not answer ends, with the reason.
func TestReplayHasALimit(t *testing.T) {
	log := writeLog(t, t.TempDir(), records()...)
	endpoint := serve(t, &mute{})
	for flag, want := range map[string]string{"--timeout": "--timeout: 50ms are over", "--request-timeout": "DeadlineExceeded"} {
		var out, errs strings.Builder
		code := run(t.Context(), []string{"replay", log, "--endpoint", endpoint, "--insecure", flag, "50ms"}, &out, &errs)
		assert.Equal(t, exitUnchecked, code, "%s: exit code", flag)
		assert.Equal(t, "0 events acknowledged\n", out.String(), "%s: exit code", flag)
		assert.Contains(t, errs.String(), want, "%s: exit code", flag)
	}
}

// rejecting is a receiver that rejects the record of an id for good.
type rejecting struct{ receiver }

func (r *rejecting) Export(ctx context.Context, request plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	for _, rl := range request.Logs().ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, record := range sl.LogRecords().All() {
				if id, _ := record.Attributes().Get("audit.record.id"); id.Str() == "id-1" {
					return plogotlp.NewExportResponse(), status.Error(codes.InvalidArgument, "no\nOK: all good")
				}
			}
		}
	}
	return r.receiver.Export(ctx, request)
}

// A record that the receiver rejects for good ends the replay, unless it is to be skipped:
// then its leaf is named, and it is counted.
func TestReplayPastARejectedRecord(t *testing.T) {
	log := writeLog(t, t.TempDir(), records()...)
	for _, batch := range []string{"1", "200"} {
		r := &rejecting{receiver{takes: 100}}
		endpoint := serve(t, r)
		replay := func(args ...string) (code int, stdout, stderr string) {
			var out, errs strings.Builder
			code = run(t.Context(), append([]string{"replay", log, "--endpoint", endpoint, "--insecure", "--batch", batch}, args...), &out, &errs)
			return code, out.String(), errs.String()
		}
		if code, _, stderr := replay(); code != exitUnchecked || !strings.Contains(stderr, "InvalidArgument") {
			t.Errorf("exit code %d, %s", code, stderr)
		}
		r.ids = nil
		code, stdout, stderr := replay("--skip-rejected")
		if code != exitGood || !strings.HasPrefix(stdout, "2 events acknowledged, 1 rejected, the last of them leaf ") || !slices.Equal(r.ids, []string{"id-0", "id-2"}) ||
			!strings.Contains(stderr, `the receiver rejected 1 of them for good, and says: no\x0aOK: all good`) {
			t.Errorf("exit code %d, %q, %s, received %v", code, stdout, stderr, r.ids)
		}
	}
}

// With TLS, the receiver must be one to trust, and gets to know who is calling.
func TestReplayWithTLS(t *testing.T) {
	t.Parallel() // it waits for tries
	dir := t.TempDir()
	log := writeLog(t, dir, records()[0])

	server, client := certificate(t, dir, "server"), certificate(t, dir, "client")
	callers := x509.NewCertPool()
	callers.AddCert(client.Leaf)
	r := &receiver{takes: 1}
	endpoint := r.serve(t, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: callers})))
	replay := func(args ...string) (code int, stderr string) {
		var out, errs strings.Builder
		code = run(t.Context(), append([]string{"replay", log, "--endpoint", endpoint, "--key", filepath.Join(dir, "key.pub.pem")}, args...), &out, &errs)
		return code, errs.String()
	}
	ca, caller := []string{"--ca-file", filepath.Join(dir, "server.pem")}, []string{"--client-cert-file", filepath.Join(dir, "client.pem"), "--client-key-file", filepath.Join(dir, "client.key")}
	t.Run("refused", func(t *testing.T) {
		for name, args := range map[string][]string{"a receiver that nobody trusts": caller, "a caller that does not say who it is": ca} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				code, stderr := replay(args...)
				assert.Equal(t, exitUnchecked, code, "exit code")
				assert.Contains(t, stderr, "send leaves 3 to 3", "exit code")
			})
		}
	})
	assert.Empty(t, r.ids, "received")
	if code, stderr := replay(append(ca, caller...)...); code != exitGood || !slices.Equal(r.ids, []string{"id-0"}) {
		t.Errorf("exit code %d, received %v: %q", code, r.ids, stderr)
	}
}

// certificate makes a certificate that has signed itself, in NAME.pem and NAME.key.
func certificate(t *testing.T, dir, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certPEM, keyPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	for file, text := range map[string][]byte{name + ".pem": certPEM, name + ".key": keyPEM} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), text, 0o600))
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(t, err)
	return pair
}

// A receiver that cannot take a batch just now is asked again, however large the batch.
func TestReplayOfALargeBatchIsTriedAgain(t *testing.T) {
	large := records()[0]
	large.Body().SetStr(strings.Repeat("x", 1<<20))
	log := writeLog(t, t.TempDir(), large)
	r := &receiver{busy: 1, takes: 1}
	var out, errs strings.Builder
	code := run(t.Context(), []string{"replay", log, "--endpoint", r.serve(t), "--insecure"}, &out, &errs)
	if code != exitGood || !slices.Equal(r.ids, []string{"id-0"}) {
		t.Errorf("exit code %d, received %v: %s", code, r.ids, errs.String())
	}
}
