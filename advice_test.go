// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
)

// Nobody who is refused reads that a queue would help: it acknowledges what is not written. Once
// a minute the log says what helps, where records are to be sent again. With a queue, the helper's
// advice to try again is right.
func TestAdviceAboutRefusals(t *testing.T) {
	full := func(c *auditlogexporter.Config) { c.MinFreeSpaceMiB = 1 << 39 }
	for name, tc := range map[string]struct {
		change func(*auditlogexporter.Config)
		advice int
		helper int // entries in which the helper advises retries
	}{
		"for now":                 {full, 1, 0},
		"for now, in a partition": {func(c *auditlogexporter.Config) { full(c); c.PartitionBy = "tenant.id" }, 1, 0},
		"for good":                {func(c *auditlogexporter.Config) { c.Limits.MaxRecords = 1 }, 0, 0},
		"of single records":       {func(c *auditlogexporter.Config) { c.Limits.MaxLeafBytes = 1024 }, 0, 0},
		"after retries": {func(c *auditlogexporter.Config) {
			full(c)
			c.RetryConfig = configretry.BackOffConfig{Enabled: true, InitialInterval: time.Millisecond, Multiplier: 1, MaxInterval: time.Millisecond, MaxElapsedTime: time.Millisecond}
		}, 1, 0},
		"in a queue": {func(c *auditlogexporter.Config) {
			full(c)
			q := exporterhelper.NewDefaultQueueConfig()
			q.WaitForResult = true
			c.QueueConfig = configoptional.Some(q)
		}, 0, 4},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, testConfig(t, tc.change))
			for range 2 {
				require.Error(t, r.ConsumeLogs(t.Context(), records("a", strings.Repeat("b", 2000))))
			}
			assert.Empty(t, r.logged.FilterMessageSnippet("enabling sending_queue").All())
			assert.Len(t, r.logged.FilterMessageSnippet("enabling retry_on_failure").All(), tc.helper)
			assert.Len(t, r.logged.FilterMessageSnippet("No sending_queue is needed").All(), tc.advice)
			assert.NotEmpty(t, r.logged.FilterMessageSnippet("Exporting failed.").All(), "the helper says that it failed")
		})
	}
}
