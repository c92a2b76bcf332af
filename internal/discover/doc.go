// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package discover finds the directories of logs in and below a directory. It follows no
// links, and tells of what it has not looked into.
package discover
