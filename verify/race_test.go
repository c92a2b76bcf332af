// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package verify_test

// byteStep thins out TestEveryByteCounts where the race detector slows it down: it
// looks for what the verifier misses, not for races.
const byteStep = 5

// withRaceDetector says that memory means little.
const withRaceDetector = true
