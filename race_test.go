// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package auditlogexporter_test

// withRaceDetector says that pools drop what they hold at random, so that memory means little.
const withRaceDetector = true
