// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package witness_test has a witness that others wrote follow our logs. It is a module
// of its own because of what that takes.
package witness
