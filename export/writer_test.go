// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gowebpki/jcs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/export"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// various is a log with one event of each kind that exports tell apart.
func various(t *testing.T) *madeLog {
	l := newLog(t)
	l.own("opened")
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	rl.Resource().Attributes().PutStr("service.version", "1.4.0")
	rl.Resource().Attributes().PutStr("host.name", "shop-1")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("example.com/shop")
	n := 0
	add := func(name string, attributes map[string]any) plog.LogRecord {
		r := sl.LogRecords().AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(created) + 123_456_789)
		r.SetEventName(name)
		require.NoError(t, r.Attributes().FromRaw(attributes))
		r.Attributes().PutStr("audit.record.id", "id-"+strconv.Itoa(n))
		n++
		return r
	}
	add("user.login", map[string]any{"user.id": "alice", "audit.outcome": "success", "client.address": "203.0.113.7", "session.id": "s-1", "user_agent.original": "curl/8"})
	failed := add("user.login", map[string]any{"user.id": "=cmd|' /C calc'!A0", "audit.outcome": "failure", "exception.message": "wrong\r\npassword", "client.address": "host.example", "note": "evil\u202etxt"})
	failed.Body().SetStr("\x1b[2J,\"quoted\"")
	failed.SetTraceID([16]byte{1})
	failed.SetSpanID([8]byte{2})
	failed.SetObservedTimestamp(pcommon.NewTimestampFromTime(created) + 5_000_000_000)
	add("session.expired", map[string]any{"user.id": "alice", "session.id": "s-1"})
	add("user.password.reset", map[string]any{"audit.category": "authentication", "audit.target.type": "user", "audit.target.id": "bob", "audit.actor.id": "helpdesk", "audit.actor.type": "service"})
	add("permission.change", map[string]any{"audit.action": "GRANT", "user.id": "root", "audit.target.type": "user", "audit.target.id": "alice", "permission.name": "admin"})
	add("permission.change", map[string]any{"audit.action": "GRANT", "user.id": "alice", "audit.target.type": "session", "audit.target.id": "s-1", "user.roles": []any{"admin", "auditor"}})
	add("file.read", map[string]any{"file.path": "/etc/passwd", "user.id": "alice", "audit.outcome": "success"})
	add("data.access", map[string]any{"audit.action": "READ", "audit.category": "authorization", "db.collection.name": "customers", "user.id": "alice", "gen_ai.agent.id": "agent-7", "gen_ai.agent.name": "helper"})
	add("security.violation", map[string]any{"audit.action": "DELETE", "audit.category": "authorization", "audit.level": "critical", "audit.target.type": "order", "audit.target.id": "o-1", "audit.outcome": "failure"})
	add("agent.created", map[string]any{"audit.action": "CREATE", "audit.actor.type": "user", "audit.actor.id": "alice", "audit.target.type": "agent", "audit.target.id": "agent-7", "gen_ai.agent.id": "agent-7"})
	add("key.use", map[string]any{"audit.action": "SIGN", "audit.target.type": "key", "audit.target.id": "kms/7", "audit.actor.type": "system", "audit.actor.id": "init"})
	add("config.change", map[string]any{"audit.target.type": "configuration", "audit.target.id": "tls", "user.id": "root"})
	add("exception", map[string]any{"exception.message": "nil pointer", "error.type": "panic"})
	odd := add("cpu.load", map[string]any{"load": 0.5})
	odd.Attributes().PutInt("big", math.MaxInt64)
	odd.Attributes().PutDouble("nan", math.NaN())
	odd.Attributes().PutEmptyBytes("bytes").FromRaw([]byte{0xff, 0})
	odd.Attributes().PutStr("bad", "\xff")
	odd.Body().SetEmptyMap().PutStr("$key", "a\x00b")
	add("role.update", map[string]any{"audit.category": "authorization", "audit.action": "UPDATE", "audit.target.type": "role", "audit.target.id": "auditor", "permission.name": "read", "user.id": "root"})
	add("role.assign", map[string]any{"audit.category": "authorization", "audit.action": "ASSIGN", "audit.target.type": "user", "audit.target.id": "bob", "role.name": "auditor", "user.id": "root", "client.address": "not a host"})
	add("role.remove", map[string]any{"audit.category": "authorization", "audit.action": "REVOKE", "audit.target.type": "user", "audit.target.id": "bob", "role.name": "auditor", "user.id": "root"})
	add("file.write", map[string]any{"file.path": "/srv/report", "user.id": "alice", "gen_ai.agent.id": "agent-7", "gen_ai.agent.name": "helper"})
	add("file.replicate", map[string]any{"file.path": `C:\\srv\\report`, "user.id": "alice"})
	add("process.start", map[string]any{"process.executable.path": "/usr/bin/curl", "process.command_line": "curl -s x", "process.pid": 4711, "user.id": "alice"})
	add("process.killed", map[string]any{"audit.target.type": "process", "audit.target.id": "4711", "user.id": "root"})
	add("connection.opened", map[string]any{"client.address": "203.0.113.7", "server.address": "db.example", "server.port": 5432, "user.id": "alice"})
	add("firewall.drop", map[string]any{"audit.category": "authorization", "audit.action": "DENY", "audit.target.type": "connection", "audit.target.id": "c-1"})
	add("dns.query", map[string]any{"destination.address": "198.51.100.1", "audit.actor.id": "resolver", "audit.actor.type": "service"})
	add("group.member.add", map[string]any{"audit.category": "authorization", "audit.target.type": "group", "audit.target.id": "admins", "user.id": "root"})
	add("group.rename", map[string]any{"audit.target.type": "group", "audit.target.id": "admins", "user.id": "root"})
	add("group.read", map[string]any{"audit.category": "authorization", "audit.target.type": "group", "audit.target.id": "admins", "user.id": "root"})
	l.record(logs)
	l.replacement()
	l.refused()
	l.own("rotated")
	return l
}

// Each form is as the files in testdata show it.
func TestGolden(t *testing.T) {
	l := various(t)
	c := l.commit()
	for _, format := range export.Formats() {
		got, w := write(t, l, c, format)
		name := "testdata/events." + format
		if *update {
			require.NoError(t, os.WriteFile(name, []byte(got), 0o644))
		}
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		was := strings.Split(string(want), "\n")
		for i, line := range strings.Split(got, "\n") {
			if i >= len(was) || line != was[i] {
				t.Errorf("%s, line %d: got\n%s", name, i+1, line)
				break
			}
		}
		assert.Equal(t, len(was)-1, strings.Count(got, "\n"), name)
		altered := 0
		if format == "otlp-json" {
			altered = 1
		}
		assert.Equal(t, altered, w.Altered(), format)
		assert.True(t, utf8.ValidString(got), "%s: not UTF-8", format)
	}
	_, err := export.NewWriter("xml", new(bytes.Buffer), c)
	assert.ErrorContains(t, err, "otlp-json", "error")
}

// An event that is not what the format says is damage, though it is signed.
func TestMalformedEvent(t *testing.T) {
	l := newLog(t)
	l.record(login("a", "alice"))
	l.event(bytes.Replace(l.canonical[1], []byte(`"metadata":{}`), []byte(`"metadata":{"x":{"$int":"1"}}`), 1))
	c := l.commit()
	for _, format := range []string{"csv", "ocsf", "otlp-json"} {
		w, err := export.NewWriter(format, new(bytes.Buffer), c)
		require.NoError(t, err)
		if err := export.Read(t.Context(), l.files, export.Options{Checkpoint: c}, w.Write); !errors.Is(err, logdir.ErrDamaged) || !strings.Contains(err.Error(), "leaf 2") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// Every event comes out as OCSF demands, in the class that its category and operation
// call for.
func TestOCSF(t *testing.T) {
	schema := loadSchema(t)
	l := various(t)
	c := l.commit()
	text, _ := write(t, l, c, "ocsf")
	want := []string{
		"Event Log Activity: Start",
		"Authentication: Logon", "Authentication: Logon", "Authentication: Logoff",
		"User Management: Password Reset", "User Management: Assign Privileges", "Authorize Session: Assign Roles",
		"File System Activity: Read", "Datastore Activity: Read", "API Activity: Delete",
		"Application Lifecycle: Install", "API Activity: Other", "API Activity: Update", "Application Error: General Error", "Base Event: Other",
		"Role Management: Update", "User Management: Assign Roles", "User Management: Remove Roles", "File System Activity: Update",
		"File System Activity: Other", "Process Activity: Launch", "Process Activity: Terminate", "Network Activity: Open", "Network Activity: Refuse", "Network Activity: Traffic",
		"Group Management: Add User", "Group Management: Other", "API Activity: Read", "Authentication: Logon", "Event Log Activity: Other",
		"Event Log Activity: Rotate",
	}
	index := uint64(0)
	for line := range strings.Lines(text) {
		index++
		for _, wrong := range schema.validate(line) {
			t.Errorf("leaf %d: %s\n%s", index, wrong, line)
		}
		var e struct {
			TypeName string `json:"type_name"`
			Time     int64
			RawData  string `json:"raw_data"`
			Unmapped struct {
				Auditlog struct {
					Origin     string
					LogID      string `json:"log_id"`
					Checkpoint struct{ Note string }
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		assert.Equal(t, want[0], e.TypeName, "leaf %d", index)
		want = want[1:]
		assert.True(t, strings.HasPrefix(e.RawData, `{"event":`+string(l.canonical[index])+`,"signature":"`), "leaf %d: raw_data", index)
		var event struct{ Signature []byte }
		require.NoError(t, json.Unmarshal([]byte(e.RawData), &event))
		id, err := base64.StdEncoding.DecodeString(e.Unmapped.Auditlog.LogID)
		if err != nil || len(id) != len(signing.LogID{}) || !l.signer.Public().VerifyEvent(e.Unmapped.Auditlog.Origin, signing.LogID(id), l.canonical[index], event.Signature) {
			t.Errorf("leaf %d: the event's signature cannot be checked with what stands in the OCSF event", index)
		}
		signed, by, err := signing.OpenCheckpoint([]byte(e.Unmapped.Auditlog.Checkpoint.Note), origin, []*signing.PublicKey{l.signer.Public()})
		assert.NoError(t, err, "leaf %d: checkpoint %+v by", index, signed)
		assert.Len(t, by, 1, "leaf %d: checkpoint %+v by", index, signed)
		assert.Equal(t, c.Root, signed.Root, "leaf %d: checkpoint %+v by", index, signed)
		assert.Equal(t, c.Size, signed.Size, "leaf %d: checkpoint %+v by", index, signed)
		fingerprint(t, line)
	}
	assert.Empty(t, want, "not there")
}

// fingerprint checks the fingerprint of the attestation, as somebody else would.
func fingerprint(t *testing.T, line string) {
	t.Helper()
	var e map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(line), &e))
	var list []map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(e["attestation_list"], &list))
	require.Len(t, list, 1)
	var claimed struct{ Value string }
	require.NoError(t, json.Unmarshal(list[0]["fingerprint"], &claimed))
	delete(list[0], "fingerprint")
	e["attestation_list"], _ = json.Marshal(list)
	rest, _ := json.Marshal(e)
	canonical, err := jcs.Transform(rest)
	require.NoError(t, err)
	assert.Equal(t, claimed.Value, sha256Hex(canonical), "fingerprint")
}

// A table read back has what the log has, and nothing in it does harm.
func TestCSVReadsBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLog(rt)
		for range rapid.IntRange(1, 3).Draw(rt, "events") {
			l.record(anyRecord(rt))
		}
		var b bytes.Buffer
		c := l.commit()
		w, err := export.NewWriter("csv", &b, c)
		require.NoError(rt, err)
		require.NoError(rt, export.Read(t.Context(), l.files, export.Options{Checkpoint: c}, w.Write))
		require.NoError(rt, w.Flush())
		text := b.String()
		rows, err := csv.NewReader(&b).ReadAll()
		require.NoError(rt, err)
		if len(rows) != len(l.canonical)+1 || strings.Count(text, "\n") != len(rows) {
			rt.Fatalf("%d rows, %d lines, of %d events", len(rows), strings.Count(text, "\n"), len(l.canonical))
		}
		column := map[string]int{}
		for i, name := range rows[0] {
			column[name] = i
		}
		for _, row := range rows[1:] {
			for i, cell := range row {
				if strings.ContainsFunc(cell, func(r rune) bool { return r != ' ' && (!unicode.IsGraphic(r) || unicode.IsSpace(r)) }) {
					rt.Errorf("%s: %q", rows[0][i], cell)
				}
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") {
					rt.Errorf("%s is a formula: %q", rows[0][i], cell)
				}
			}
			index, err := strconv.ParseUint(row[column["leaf_index"]], 10, 64)
			require.NoError(rt, err)
			e, err := event.Parse(l.canonical[index])
			require.NoError(rt, err)
			// What needs no escape stands as it is, but for apostrophes in front of formulas and
			// after semicolons.
			for name, want := range map[string]string{"event_id": e.EventID, "user_id": e.UserID, "operation": e.Operation, "resource_id": e.ResourceID, "level": string(e.Level)} {
				got := strings.ReplaceAll(row[column[name]], ";'", ";")
				if want == "" || !strings.ContainsFunc(want, func(r rune) bool {
					return r != ' ' && (!unicode.IsGraphic(r) || unicode.IsSpace(r) || r == utf8.RuneError || r == 0x2800 ||
						unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector))
				}) {
					if strings.TrimPrefix(got, "'") != want && got != want {
						rt.Errorf("%s: %q, want %q", name, got, want)
					}
				}
			}
			// JSON means what it means in the log.
			var raw map[string]json.RawMessage
			require.NoError(rt, json.Unmarshal(l.canonical[index], &raw))
			for _, name := range []string{"metadata", "body"} {
				got := strings.TrimPrefix(row[column[name]], "'")
				if raw[name] == nil && got == "" {
					continue
				}
				if !sameJSON(got, string(raw[name])) {
					rt.Errorf("%s: %q, want %q", name, got, raw[name])
				}
			}
		}
	})
}

// sameJSON compares two JSON texts by what they mean.
func sameJSON(a, b string) bool {
	// Canonical form has arrays or objects only at its top.
	x, err := jcs.Transform([]byte("[" + a + "]"))
	if err != nil {
		return false
	}
	y, err := jcs.Transform([]byte("[" + b + "]"))
	return err == nil && bytes.Equal(x, y)
}

// Records that are read back from OTLP's JSON make the same events: two records that
// differ never do.
func TestOTLPReadsBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLog(rt)
		for range rapid.IntRange(1, 3).Draw(rt, "events") {
			l.record(anyRecord(rt))
		}
		l.own("rotated")
		var b bytes.Buffer
		c := l.commit()
		w, err := export.NewWriter("otlp-json", &b, c)
		require.NoError(rt, err)
		require.NoError(rt, export.Read(t.Context(), l.files, export.Options{Checkpoint: c}, w.Write))
		require.NoError(rt, w.Flush())
		altered := w.Altered()
		index := uint64(0)
		for line := range bytes.Lines(b.Bytes()) {
			index++
			require.True(rt, json.Valid(line), "not JSON")
			require.True(rt, utf8.Valid(line), "not JSON")
			logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(line)
			require.NoError(rt, err)
			again := newLog(rt)
			again.record(logs)
			if bytes.Equal(again.canonical[1], l.canonical[index]) {
				continue
			}
			if !bytes.Contains(l.canonical[index], []byte(`"$string":true`)) {
				rt.Errorf("came out as\n%s, not\n%s", again.canonical[1], l.canonical[index])
			}
			altered--
		}
		assert.Equal(rt, len(l.canonical)-1, int(index), "%d lines", index)
		assert.Zero(rt, altered, "%d lines", index)
	})
}

// OCSF holds for whatever clients send.
func TestOCSFOfAnything(t *testing.T) {
	schema := loadSchema(t)
	rapid.Check(t, func(rt *rapid.T) {
		l := newLog(rt)
		l.record(anyRecord(rt))
		var b bytes.Buffer
		c := l.commit()
		w, err := export.NewWriter("ocsf", &b, c)
		require.NoError(rt, err)
		require.NoError(rt, export.Read(t.Context(), l.files, export.Options{Checkpoint: c}, w.Write))
		require.NoError(rt, w.Flush())
		assert.Equal(rt, 1, strings.Count(b.String(), "\n"), "more than a line: %q", b.String())
		for _, wrong := range schema.validate(b.String()) {
			rt.Errorf("%s\n%s", wrong, b.String())
		}
	})
}

// OCSF holds for each kind of event that the mapping knows by its name, with each kind of
// resource, for what is done to resources; and each class of the schema's excerpt is one that
// some event gets.
func TestOCSFOfEachKind(t *testing.T) {
	schema := loadSchema(t)
	m := mapping.Default()
	types := []string{"", "user", "account", "service_account", "role", "group", "session", "process", "connection", "socket", "host", "file", "directory", "folder", "symlink", "table", "database", "service", "order"}
	actions := []string{"", "CREATE", "read", "Update", "delete", "grant", "REVOKE", "member.added", "member.removed", "start", "stop", "connect", "DENY", "frobnicate"}
	seen := map[string]bool{}
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	add := func(name, category, kind, action string) {
		r := records.AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(created))
		r.SetEventName(name)
		for attribute, value := range map[string]string{
			"audit.record.id": strconv.Itoa(records.Len()), "user.id": "alice", "audit.category": category,
			"audit.target.type": kind, "audit.action": action, "permission.name": "admin",
		} {
			if value != "" {
				r.Attributes().PutStr(attribute, value)
			}
		}
		if kind != "" {
			r.Attributes().PutStr("audit.target.id", "x")
		}
	}
	for prefix := range m.Categories {
		for _, kind := range types {
			add(prefix+".something", "", kind, actions[records.Len()%len(actions)])
		}
	}
	for _, category := range event.Categories() {
		for _, kind := range types {
			for _, action := range actions {
				add("x", string(category), kind, action)
			}
		}
	}
	l := newLog(t)
	l.own("opened")
	l.refused()
	l.replacement()
	l.record(logs)
	text, _ := write(t, l, l.commit(), "ocsf")
	for line := range strings.Lines(text) {
		wrong := schema.validate(line)
		require.Nil(t, wrong, "%v\n%s", wrong, line)
		var e struct {
			Class int `json:"class_uid"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		seen[strconv.Itoa(e.Class)] = true
	}
	for uid, class := range schema.Classes {
		assert.True(t, seen[uid], "no event is of the class %s", class.Name)
	}
}

// What the log says of records that it refused, and of an event that it replaced, is in
// tables and in OCSF.
func TestRefusedAndReplaced(t *testing.T) {
	l := newLog(t)
	l.replacement()
	l.refused()
	c := l.commit()
	ocsf, _ := write(t, l, c, "ocsf")
	table, _ := write(t, l, c, "csv")
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	require.NoError(t, err)
	column := func(row int, name string) string { return rows[row][slices.Index(rows[0], name)] }
	for i, line := range strings.Split(strings.TrimSuffix(ocsf, "\n"), "\n") {
		var logged struct{ Replaced, Log json.RawMessage }
		require.NoError(t, json.Unmarshal(l.canonical[uint64(i+1)], &logged))
		var e struct {
			Unmapped struct{ Replaced, Log json.RawMessage }
		}
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		assert.Equal(t, logged.Replaced, e.Unmapped.Replaced, "OCSF")
		assert.Equal(t, logged.Log, e.Unmapped.Log, "OCSF")
		if column(i+1, "replaced") != string(logged.Replaced) || column(i+1, "log") != string(logged.Log) {
			t.Errorf("the table has %s and %s, the log %s and %s", column(i+1, "replaced"), column(i+1, "log"), logged.Replaced, logged.Log)
		}
	}
}
