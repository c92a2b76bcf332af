// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtest

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Recorded is the time of all records.
var Recorded = time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC)

var recorded = pcommon.NewTimestampFromTime(Recorded)

// Record returns a record with an id.
func Record(id string) plog.LogRecord {
	r := plog.NewLogRecord()
	r.SetTimestamp(recorded)
	r.Attributes().PutStr("audit.record.id", id)
	return r
}
