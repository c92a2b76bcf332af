// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package ownevent writes the events in which a log speaks of itself, and finds them among the
// lines of a log. What they say is a [logevent.Event].
package ownevent
