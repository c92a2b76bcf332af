// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package kafka is all tests. They run the receiver of collector-contrib with the exporter
// behind it, as docs/kafka.md has them, in a collector process of its own, against a
// broker in memory: what offsets say must be in the log, whatever is done to the process.
package kafka
