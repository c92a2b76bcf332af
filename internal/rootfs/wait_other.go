// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package rootfs

const dontWait = 0 // there are no named pipes in directories
