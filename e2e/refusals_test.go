// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// apiServerLines are lines in the form of audit.k8s.io/v1. The first two are two stages of one
// request, which name it with one id.
func apiServerLines(t *testing.T, n int) []string {
	t.Helper()
	lines := make([]string, n)
	for i := range lines {
		stage, id := "ResponseComplete", i
		if i == 0 {
			stage, id = "RequestReceived", 1
		}
		b, err := json.Marshal(map[string]any{
			"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", id),
			"stage": stage, "verb": "get", "requestURI": fmt.Sprint("/api/v1/namespaces/shop/secrets/", i), "user": map[string]string{"username": "dev-jane"},
		})
		require.NoError(t, err)
		lines[i] = string(b)
	}
	return lines
}

// A receiver that reads files cannot divide what it has read, and drops what is refused for
// good. So one line never takes the others with it.
func TestOneLineOfAFileKeepsNoOthersOut(t *testing.T) {
	const mapping = "mapping: {event_id: [auditID], operation: [verb]}"
	for name, tt := range map[string]struct {
		exporter string
		bad      string
		written  int
		actions  []string
	}{
		"one id for two stages":  {"", "", 24, []string{"id_conflict"}},
		"one id that is refused": {"idempotency: {on_conflict: refuse}", "", 23, []string{"refused"}},
		"a line too long":        {"limits: {max_leaf_bytes: 4096}", strings.Repeat("x", 5000), 24, []string{"id_conflict", "refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, mapping+"\n    "+tt.exporter)
			s.operators = "{type: json_parser, parse_ints: true, on_error: send}"
			lines := apiServerLines(t, 24)
			if tt.bad != "" {
				lines = slices.Insert(lines, 12, tt.bad)
			}
			require.NoError(t, os.WriteFile(s.tailed, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
			p := s.start(t)
			eventually(t, "the file is in the log", func() bool { return len(shownIDs(t, s.log)) >= tt.written })
			p.stop(t)
			assert.Len(t, shownIDs(t, s.log), tt.written)
			code, out := runAuditlog(t, "show", s.log, "--level", "warning", "--json")
			require.Zero(t, code, "%s", out)
			for _, action := range tt.actions {
				assert.Equal(t, 1, strings.Count(string(out), `"log":{"action":"`+action+`"`), "%s", out)
			}
			code, report := runVerify(t, s.log, "--key", s.public)
			require.Zero(t, code, "%+v", report)
		})
	}
}
