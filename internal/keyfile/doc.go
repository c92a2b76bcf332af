// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package keyfile keeps a log's keys in files: it makes, reads and replaces them, and refuses
// private keys that somebody else could read or replace.
package keyfile
