// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package keyfile

// mountedReadOnly would need to know how this system tells.
func mountedReadOnly(string) bool { return false }
