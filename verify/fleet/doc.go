// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package fleet checks many logs: all that lie in a directory and below, each by itself, and
// how they stand to one another.
//
// [Check] finds logs that are missing though a checkpoint or a receipt was kept of them,
// histories of one log that contradict each other, and partitions in the place of others.
// What it finds in a single log is in that log's report.
package fleet
