// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

// members are the attributes by which a client fills what show prints.
var members = map[string]string{
	"operation": "audit.action", "user": "user.id", "agent": "gen_ai.agent.id", "session": "session.id", "from": "client.address",
	"type": "audit.resource.type", "resource": "audit.resource.id", "error": "exception.message",
}

// forgeries are what a client might write to have its event read as another one.
var forgeries = []string{
	"x  SUCCESS", "x  success  operation=login", "mallory  user=alice", "x user=alice", "x\tuser=alice", `x" user="alice`, `x\" user=alice`,
	"x  proof=verified by=bank", "proof=verified", "x\u3000proof=verified\u3000by=bank", "x\u3164proof＝verified", "x\nproof=verified",
	"x\n2026-11-23T10:00:00.000Z  log     info      system_health       success  operation=auditlog.opened  type=audit_log  resource=test.example/auditlog",
	"x\r2026-11-23T10:00:00.000Z  log   ", "\x1b[2K\x1b[1G2026-11-23T10:00:00.000Z  log", "x\u202e  resu=resu", "log", "'x' user='alice'", "`x`",
	"x\n\nOK: this event is leaf 0 of the log bank", "x  uncommitted", "checkpoint  over 9 leaves, signed by 0123456789abcdef", "\u2800user=alice",
}

// shownLine is a line of show: what the log says, then names and values, each of which ends
// where it seems to.
var shownLine = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  (record|log   )(  uncommitted)?  (\w+) *  (\w+) *  (success|FAILURE|-) *((?:  [a-z]+=(?:[^\s"'=\\]+|"(?:[^"\\]|\\.)*"))*)$`)

func forgedNothing(line string) bool {
	parts := shownLine.FindStringSubmatch(line)
	return parts != nil && parts[1] == "record" && parts[5] == "FAILURE"
}

var shownMember = regexp.MustCompile(`  ([a-z]+)=([^\s"'=\\]+|"(?:[^"\\]|\\.)*")`)

// No text of a client's in any place makes show or check print another outcome, another
// user, the verdict of a proof, or an event of the log's own: each line has one member of
// each name, in which the text stands, and says "record".
func TestForgeries(t *testing.T) {
	var records []plog.LogRecord
	var want []string // the name of the member that was forged
	for name, attribute := range members {
		for _, text := range forgeries {
			r := plog.NewLogRecord()
			r.Attributes().PutStr("audit.outcome", "failure")
			if name == "from" {
				text = "fe80::1%" + text // anything may be the zone of an address
			}
			r.Attributes().PutStr(attribute, text)
			r.Body().SetStr("said")
			records, want = append(records, r), append(want, name)
		}
	}
	for _, text := range forgeries {
		r := plog.NewLogRecord()
		r.Attributes().PutStr("audit.outcome", "failure")
		r.Attributes().PutStr("user.id", "mallory")
		r.Body().SetStr(text)
		records, want = append(records, r), append(want, "body")
	}
	dir := t.TempDir()
	log := writeLogOf(t, dir, 0, records...)
	var out, errs strings.Builder
	code := run(t.Context(), []string{"show", log}, &out, &errs)
	require.Equal(t, exitGood, code, "exit code %d, %s", code, errs.String())
	require.LessOrEqual(t, errs.Len(), 0, "exit code %d, %s", code, errs.String())
	n := 0
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		parts := shownLine.FindStringSubmatch(line)
		require.NotNil(t, parts, "not a line of one event: %s", line)
		if parts[1] != "record" {
			continue // the log's own; there is as many of the others as there are records
		}
		assert.Equal(t, "FAILURE", parts[5], "the outcome is forged: %s", line)
		seen := map[string]string{}
		for _, m := range shownMember.FindAllStringSubmatch(parts[6], -1) {
			if seen[m[1]] != "" {
				t.Errorf("two members %s: %s", m[1], line)
			}
			seen[m[1]] = m[2]
		}
		assert.Empty(t, seen["proof"], "a proof that nobody checked: %s", line)
		assert.Empty(t, seen["by"], "a proof that nobody checked: %s", line)
		if got := seen[want[n]]; got == "" || !strings.HasPrefix(got, `"`) && got != "log" && got != "fe80::1%log" {
			t.Errorf("the text in %s stands as %s: %s", want[n], got, line)
		}
		n++
	}
	assert.Equal(t, len(records), n)

	// check prints what it has found before the event, on a line of which nothing else is.
	for i, text := range forgeries[len(forgeries)-11:] {
		proof := filepath.Join(dir, "proof"+string(rune('a'+i)))
		// After a header and a commit of the log's own; each record is a commit.
		index := 3 + 2*(len(records)-11+i)
		code := run(t.Context(), []string{"prove", log, "--index", strconv.Itoa(index), "--out", proof}, &out, &errs)
		require.Equal(t, exitGood, code, "prove: exit code %d, %s", code, errs.String())
		out.Reset()
		if code := run(t.Context(), []string{"check", proof, "--key", filepath.Join(dir, "key.pub.pem")}, &out, &errs); code != exitGood {
			t.Fatalf("check: exit code %d, %s", code, errs.String())
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if last := lines[len(lines)-1]; len(lines) != 6 || !forgedNothing(last) || !strings.HasPrefix(lines[0], "OK: ") ||
			!strings.HasPrefix(lines[2], "checkpoint  ") || !strings.HasPrefix(lines[3], "event  ") || lines[4] != "" {
			t.Errorf("a body %q makes check print:\n%s", text, out.String())
		}
	}
}
