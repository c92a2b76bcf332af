// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// shop builds the service of examples/emit, which emits one event of each kind.
func shop(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "shop")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "examples", "emit")
	build.Env = append(os.Environ(), "GOWORK=off") // which does not name the example's module
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return program
}

// emitAll runs the service. ids are of the events that were acknowledged.
func emitAll(t *testing.T, program, endpoint string, args ...string) (ids []string, failure string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, append([]string{"-endpoint", endpoint}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	assert.Equal(t, err != nil, errs.Len() > 0)
	return strings.Fields(out.String()), errs.String()
}

// emitted is what the test looks at in an event.
type emitted struct {
	Category     string         `json:"category"`
	Level        string         `json:"level"`
	Operation    string         `json:"operation"`
	ResourceType string         `json:"resource_type"`
	ResourceID   string         `json:"resource_id"`
	UserID       string         `json:"user_id"`
	AgentID      string         `json:"agent_id"`
	SessionID    string         `json:"session_id"`
	SourceIP     string         `json:"source_ip"`
	ErrorMessage string         `json:"error_message"`
	Success      *bool          `json:"success"`
	EventID      string         `json:"event_id"`
	EventName    string         `json:"event_name"`
	Metadata     map[string]any `json:"metadata"`
	Resource     struct {
		Attributes map[string]string `json:"attributes"`
	} `json:"resource"`
	Scope struct {
		Name string `json:"name"`
	} `json:"scope"`
}

// What a service emits through the SDK and OTLP is in the log, under the ids that it
// was given, in the right category, level, operation, resource and outcome.
func TestEmit(t *testing.T) {
	program := shop(t)
	for name, endpoint := range map[string]func(*site) string{
		"gRPC": func(s *site) string { return s.grpc },
		"HTTP": func(s *site) string { return "http://" + s.http + "/v1/logs" },
	} {
		t.Run(name, func(t *testing.T) { testEmit(t, program, endpoint) })
	}
}

func testEmit(t *testing.T, program string, endpoint func(*site) string) {
	s := newSite(t, "mapping: {strict: true}")
	p := s.start(t)
	ids, failure := emitAll(t, program, endpoint(s))
	require.Empty(t, failure)

	// An acknowledged event is on disk while the collector still runs.
	code, out := runAuditlog(t, "show", s.log, "--json")
	require.Zero(t, code)
	var events []emitted
	for line := range bytes.Lines(out) {
		var e emitted
		require.NoError(t, json.Unmarshal(line, &e))
		if !strings.HasPrefix(e.Operation, "auditlog.") {
			events = append(events, e)
		}
	}
	succeeded, failed := true, false
	want := []emitted{
		{EventName: "agent.created", Category: "agent_lifecycle", Level: "info", Operation: "CREATE", ResourceType: "agent", ResourceID: "agent-7", Success: &succeeded, UserID: "alice", AgentID: "agent-7"},
		{EventName: "authentication.attempt", Category: "authentication", Level: "security", Operation: "AUTHENTICATE", ResourceType: "user", ResourceID: "alice", Success: &failed, UserID: "alice", SourceIP: "203.0.113.7", ErrorMessage: "wrong password"},
		{EventName: "user.login", Category: "authentication", Level: "info", Operation: "LOGIN", ResourceType: "user", ResourceID: "alice", Success: &succeeded, UserID: "alice", SourceIP: "203.0.113.7", SessionID: "s-1"},
		{EventName: "security.violation", Category: "authorization", Level: "critical", Operation: "DELETE", ResourceType: "db_collection", ResourceID: "customers", Success: &failed, UserID: "alice", SourceIP: "203.0.113.7", SessionID: "s-1"},
		{EventName: "file.access", Category: "file_system", Level: "info", Operation: "READ", ResourceType: "file", ResourceID: "/etc/passwd\uFFFD", Success: &succeeded, AgentID: "backup"},
		{EventName: "data.access", Category: "authorization", Level: "security", Operation: "EXPORT", ResourceType: "db_collection", ResourceID: "customers", Success: &failed, UserID: "alice", AgentID: "agent-7"},
		{EventName: "permission.change", Category: "authorization", Level: "info", Operation: "GRANT", ResourceType: "user", ResourceID: "alice", Success: &succeeded, UserID: "root"},
		{EventName: "configuration.change", Category: "system_health", Level: "info", Operation: "UPDATE", ResourceType: "configuration", ResourceID: "tls.min_version", Success: &succeeded, AgentID: "shop"},
		{EventName: "key.use", Category: "cryptographic", Level: "info", Operation: "SIGN", ResourceType: "key", ResourceID: "kms/7", Success: &succeeded, AgentID: "signer"},
		{EventName: "user.logout", Category: "authentication", Level: "info", Operation: "LOGOUT", ResourceType: "user", ResourceID: "alice", Success: &succeeded, UserID: "alice", SessionID: "s-1"},
	}
	require.Len(t, events, len(want))
	require.Len(t, ids, len(want))
	assert.Equal(t, map[string]any{"$bytes": "L2V0Yy9wYXNzd2T/"}, events[4].Metadata["audit.raw.audit.target.id"], "the path's exact bytes")
	for i, e := range events {
		assert.Equal(t, ids[i], e.EventID)
		assert.Equal(t, "shop", e.Resource.Attributes["service.name"])
		assert.Equal(t, "example.com/shop", e.Scope.Name)
		e.EventID, e.Metadata, e.Resource, e.Scope = "", nil, want[i].Resource, want[i].Scope
		assert.Equal(t, want[i], e)
	}
	p.stop(t)
	code, report := runVerify(t, s.log, "--key", s.public)
	require.Zero(t, code, "%+v", report)
}

// Whatever keeps an event out of the log reaches the call that emitted it.
func TestEmitFails(t *testing.T) {
	program := shop(t)
	const kinds = 10
	t.Run("nobody listens", func(t *testing.T) {
		ids, failure := emitAll(t, program, freeAddresses(t, 1)[0], "-timeout", "200ms")
		assert.Empty(t, ids)
		assert.Equal(t, kinds, strings.Count(failure, "not acknowledged"), "%s", failure)
	})
	t.Run("the collector cannot write", func(t *testing.T) {
		s := newSite(t, "")
		s.start(t)
		require.NoError(t, os.RemoveAll(s.log))
		ids, failure := emitAll(t, program, s.grpc, "-timeout", "500ms")
		assert.Empty(t, ids)
		assert.Equal(t, kinds, strings.Count(failure, "not acknowledged"), "%s", failure)
	})
	t.Run("the receiver refuses", func(t *testing.T) {
		ids, failure := emitAll(t, program, serve(t, func() (plogotlp.ExportResponse, error) {
			return plogotlp.NewExportResponse(), status.Error(codes.InvalidArgument, "not for this log")
		}))
		assert.Empty(t, ids)
		assert.Equal(t, kinds, strings.Count(failure, "not for this log"), "%s", failure)
	})
	partial := plogotlp.NewExportResponse()
	partial.PartialSuccess().SetRejectedLogRecords(1)
	partial.PartialSuccess().SetErrorMessage("quota")
	t.Run("the receiver takes a part", func(t *testing.T) {
		ids, failure := emitAll(t, program, serve(t, func() (plogotlp.ExportResponse, error) { return partial, nil }))
		assert.Empty(t, ids)
		assert.Equal(t, kinds, strings.Count(failure, "quota"), "%s", failure)
	})
	t.Run("the receiver takes a part, over HTTP", func(t *testing.T) {
		answer, err := partial.MarshalProto()
		require.NoError(t, err)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			_, err := w.Write(answer)
			assert.NoError(t, err)
		}))
		defer server.Close()
		ids, failure := emitAll(t, program, server.URL+"/v1/logs")
		assert.Empty(t, ids)
		assert.Equal(t, kinds, strings.Count(failure, "quota"), "%s", failure)
	})
	t.Run("the receiver has no time, over HTTP", func(t *testing.T) {
		// The exporter would try again for a minute: the emitter's timeout bounds all attempts.
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
		defer server.Close()
		ids, failure := emitAll(t, program, server.URL+"/v1/logs", "-timeout", "200ms")
		assert.Empty(t, ids)
		assert.Equal(t, kinds, strings.Count(failure, "not acknowledged"), "%s", failure)
		assert.Contains(t, failure, "the emitter's timeout is over")
	})
	t.Run("the SDK shortens values", func(t *testing.T) {
		s := newSite(t, "")
		s.start(t)
		t.Setenv("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "8")
		ids, failure := emitAll(t, program, s.grpc)
		assert.Empty(t, ids)
		assert.Equal(t, kinds, strings.Count(failure, `has shortened the attribute "audit.record.id"`), "%s", failure)
		code, out := runAuditlog(t, "show", s.log)
		assert.Zero(t, code)
		assert.NotContains(t, string(out), "alice")
	})
}

// receiver is an OTLP receiver that answers as it is told.
type receiver struct {
	plogotlp.UnimplementedGRPCServer
	answer func() (plogotlp.ExportResponse, error)
}

func (r *receiver) Export(context.Context, plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	return r.answer()
}

// serve starts a receiver and returns its address.
func serve(t *testing.T, answer func() (plogotlp.ExportResponse, error)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	plogotlp.RegisterGRPCServer(server, &receiver{answer: answer})
	done := make(chan error)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
	return listener.Addr().String()
}
