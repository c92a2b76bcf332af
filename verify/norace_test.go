// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package verify_test

const byteStep = 1
