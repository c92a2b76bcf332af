// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logevent_test

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

var (
	now  = time.Date(2026, 11, 24, 10, 15, 0, 123456789, time.UTC)
	root = merkle.LeafHash([]byte("a root"))
)

// written returns the member "log" of an event, as a reader finds it.
func written(t require.TestingT, e logevent.Event) string {
	var sum eventjson.Summary
	require.NoError(t, eventjson.Scan(ownevent.Append(nil, &e, "id", now, "test.example/auditlog"), &sum))
	return string(sum.Log)
}
