// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// records makes a call's worth of records with 12 attributes each, of a service whose
// users come and go. The first has number first.
func records(first, n int) plog.Logs {
	random := rand.New(rand.NewPCG(uint64(first), uint64(n)))
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "billing")
	rl.Resource().Attributes().PutStr("host.name", "web-01")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("billing/audit")
	for i := first; i < first+n; i++ {
		at := pcommon.Timestamp(1_795_428_900_000_000_000 + uint64(i)*1_234_567)
		r := sl.LogRecords().AppendEmpty()
		r.SetTimestamp(at)
		r.SetObservedTimestamp(at + 100_000)
		r.SetSeverityNumber(plog.SeverityNumberInfo)
		r.SetEventName("user.login")
		r.Body().SetStr("the user has signed in with a passkey")
		a := r.Attributes()
		a.PutStr(idAttribute, fmt.Sprintf("%s%012d", idPrefix, i))
		a.PutStr("audit.actor.type", "user")
		a.PutStr("audit.actor.id", fmt.Sprintf("u-%04d", random.IntN(5000)))
		a.PutStr("audit.action", "login")
		a.PutStr("audit.outcome", "success")
		a.PutStr("audit.target.type", "application")
		a.PutStr("audit.target.id", "billing")
		a.PutStr("session.id", fmt.Sprintf("s-%06x", random.IntN(1<<24)))
		a.PutStr("client.address", fmt.Sprintf("198.51.%d.%d", random.IntN(256), random.IntN(256)))
		a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
		a.PutInt("http.response.status_code", 200)
		a.PutBool("mfa", true)
	}
	return logs
}

const (
	idAttribute = "audit.record.id"
	idPrefix    = "3f0c2b9e-8a52-4f7e-9d5a-"
)

// renewed counts the ids that renew has given.
var renewed atomic.Int64

// renew gives each record an id that none has had: the same one again would be a retry. It
// takes a tenth of a microsecond a record, of whoever produces, for all exporters alike.
func renew(logs plog.Logs) {
	all := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	n := all.Len()
	first := 500_000_000_000 + renewed.Add(int64(n)) - int64(n) // twelve digits
	text := make([]byte, 0, n*(len(idPrefix)+12))
	for i := range n {
		text = strconv.AppendInt(append(text, idPrefix...), first+int64(i), 10)
	}
	ids := string(text)
	for i := range n {
		if v, ok := all.At(i).Attributes().Get(idAttribute); ok {
			v.SetStr(ids[:len(idPrefix)+12])
			ids = ids[len(idPrefix)+12:]
		}
	}
}
