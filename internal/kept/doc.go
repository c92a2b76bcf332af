// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package kept has the checkpoints that somebody keeps apart from a log, and says how the log
// stands to their trees.
package kept
