// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package signers has the rules about whose signatures count that checking a log, a set of
// logs and a single proof share: which keys the caller trusts for what, and what those keys
// may have signed.
package signers
