// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"crypto/sha256"
	"encoding/hex"
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/event"
)

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// anyText draws text as an attacker would choose it.
func anyText(t *rapid.T, label string) string {
	return rapid.OneOf(
		rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"", "login", "\xff", "a\x00b", "\x1b[2J", "=1+1", "+1", "-1", "@x", "'", "''=1", "\t=1", "\r\n", "a\r\nb", `"`, `a"b,c`, "\uFF1D1", "\u202e", "\u2028", "\ufffd", "$int", `\u0041`, `\`}),
	).Draw(t, label)
}

// anyRecord draws a record that has an id and a time.
func anyRecord(t *rapid.T) plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	anyMap(t, rl.Resource().Attributes(), 1, []string{"service.name", "host.name", "x"})
	rl.SetSchemaUrl(anyText(t, "schema"))
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(anyText(t, "scope"))
	r := sl.LogRecords().AppendEmpty()
	r.SetTimestamp(pcommon.Timestamp(rapid.Uint64Min(1).Draw(t, "time")))
	r.SetObservedTimestamp(pcommon.Timestamp(rapid.Uint64().Draw(t, "observed")))
	r.SetEventName(rapid.OneOf(rapid.SampledFrom([]string{"user.login", "file.read", "permission.change", "agent.start", "session.end", "key.use", "error", "cpu", "process.exit", "connection.refused", "dns.query"}), rapid.Just("\xff")).Draw(t, "name"))
	r.SetSeverityNumber(plog.SeverityNumber(rapid.Int32().Draw(t, "severity")))
	r.SetSeverityText(anyText(t, "severity text"))
	r.SetFlags(plog.LogRecordFlags(rapid.Uint32().Draw(t, "flags")))
	r.SetDroppedAttributesCount(rapid.Uint32().Draw(t, "dropped"))
	r.SetTraceID([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace")))
	anyValue(t, r.Body(), 3)
	anyMap(t, r.Attributes(), 2, []string{
		"user.id", "session.id", "audit.action", "audit.outcome", "audit.actor.type", "audit.actor.id", "audit.target.type", "audit.target.id", "file.path", "db.collection.name",
		"client.address", "server.address", "server.port", "process.pid", "process.command_line", "gen_ai.agent.id", "permission.name", "role.name", "user.roles", "exception.message", "x", "\xff", "$x", "", "ü",
	})
	r.Attributes().PutStr("audit.category", string(rapid.SampledFrom(event.Categories()).Draw(t, "category")))
	r.Attributes().PutStr("audit.record.id", "id-"+anyText(t, "id"))
	if rapid.Bool().Draw(t, "known target") {
		r.Attributes().PutStr("audit.target.type", rapid.SampledFrom([]string{"user", "account", "service_account", "role", "file", "directory", "table", "database", "session", "service", "agent", "group", "process", "connection", "host"}).Draw(t, "target"))
		r.Attributes().PutStr("audit.action", rapid.SampledFrom([]string{"GRANT", "REVOKE", "update", "password.reset", "mfa.enable", "DeleteObject", "read", "lock", "member.add", "connect", "kill", "x"}).Draw(t, "action"))
	}
	return logs
}

func anyMap(t *rapid.T, m pcommon.Map, depth int, keys []string) {
	for range rapid.IntRange(0, 6).Draw(t, "entries") {
		anyValue(t, m.PutEmpty(rapid.SampledFrom(keys).Draw(t, "key")), depth)
	}
}

func anyValue(t *rapid.T, v pcommon.Value, depth int) {
	kinds := 7
	if depth > 0 {
		kinds = 9
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
	case 1:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case 2:
		v.SetInt(rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64, 1 << 53})).Draw(t, "int"))
	case 3:
		v.SetDouble(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(-1), math.Copysign(0, -1), 5, 1e300, math.SmallestNonzeroFloat64})).Draw(t, "double"))
	case 4, 5:
		v.SetStr(anyText(t, "text"))
	case 6:
		v.SetEmptyBytes().FromRaw(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "bytes"))
	case 7:
		anyMap(t, v.SetEmptyMap(), depth-1, []string{"a", "$int", "$more", "\xfe", ""})
	case 8:
		list := v.SetEmptySlice()
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			anyValue(t, list.AppendEmpty(), depth-1)
		}
	}
}
