// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package tiles exports a log as static files (c2sp.org/tlog-tiles) that any web server
// can serve, and that clients of transparency logs can mirror and check: the newest
// checkpoint, the tree's hashes, and the leaves, which are the header and event lines.
package tiles
