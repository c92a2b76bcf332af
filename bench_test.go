// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
)

// BenchmarkConsumeLogs writes batches of 1,000 records of 12 attributes, with a
// commit and its fsync for each, and reports records per second.
func BenchmarkConsumeLogs(b *testing.B) {
	const size = 1000
	logs := typicalRecords(size)
	for _, scope := range bothScopes {
		for _, load := range []struct {
			callers  int
			receipts bool
		}{{1, false}, {1, true}, {8, false}, {8, true}} {
			callers := load.callers
			b.Run(fmt.Sprintf("scope=%s/callers=%d/receipts=%t", scope, callers, load.receipts), func(b *testing.B) {
				c := testConfig(b, inScope(scope), func(c *auditlogexporter.Config) {
					c.Retention.MaxSegments = 4 // long runs are not to fill the disk
					if load.receipts {
						receipted(c)
					}
				})
				r := start(b, c)
				b.ReportAllocs()
				b.SetParallelism(callers)
				consume := func() {
					if err := r.ConsumeLogs(b.Context(), logs); err != nil {
						b.Error(err)
					}
				}
				b.ResetTimer()
				if callers == 1 {
					for b.Loop() {
						consume()
					}
				} else {
					b.RunParallel(func(p *testing.PB) {
						for p.Next() {
							consume()
						}
					})
				}
				b.StopTimer()
				b.ReportMetric(float64(b.N)*size/b.Elapsed().Seconds(), "records/s")
				require.NoError(b, r.Shutdown(b.Context()))
			})
		}
	}
}

// typicalRecords are what an application that follows the conventions sends.
func typicalRecords(n int) plog.Logs {
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "billing")
	resource.Resource().Attributes().PutStr("host.name", "web-1")
	scope := resource.ScopeLogs().AppendEmpty()
	scope.Scope().SetName("example.com/billing/audit")
	for i := range n {
		r := scope.LogRecords().AppendEmpty()
		r.SetTimestamp(1_795_000_000_000_000_000)
		r.SetObservedTimestamp(1_795_000_000_000_100_000)
		r.SetSeverityNumber(plog.SeverityNumberInfo)
		r.SetEventName("user.login")
		r.Body().SetStr("the user signed in")
		a := r.Attributes()
		a.PutStr("audit.actor.id", "alice@example.com")
		a.PutStr("audit.actor.type", "user")
		a.PutStr("audit.action", "user.login")
		a.PutStr("audit.outcome", "success")
		a.PutStr("audit.target.type", "account")
		a.PutStr("audit.target.id", fmt.Sprintf("account-%06d", i))
		a.PutStr("client.address", "203.0.113.24")
		a.PutInt("client.port", 50122)
		a.PutStr("session.id", "0f6f8c1e-5c55-4d68-9e39-1a5d2f1f8a10")
		a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
		a.PutBool("mfa", true)
		a.PutDouble("risk", 0.125)
	}
	return logs
}
