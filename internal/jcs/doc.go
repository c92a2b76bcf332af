// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package jcs writes and reads JSON in the one form that the JSON Canonicalization Scheme
// (RFC 8785) allows. That what is written is UTF-8 is for its callers to see to.
package jcs
