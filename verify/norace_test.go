// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package verify_test

const byteStep = 1

// withRaceDetector says that memory means little.
const withRaceDetector = false
