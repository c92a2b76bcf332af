// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package rootfs

import "syscall"

const dontWait = syscall.O_NONBLOCK
