// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package main

// withRaceDetector says that memory means little: the detector takes some times as much.
const withRaceDetector = false
