// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package eventjson reads an event in canonical JSON without decoding it, as verifiers and
// filters do for millions of them: [Scan] checks its form and sums it up, [Identify] tells whether
// it has come before, and [Replace] makes a short event of one that is too long.
//
// Events come from files that anyone may have changed. Scan takes canonical form and nothing else,
// bounds the nesting it follows, and repeats no more than a few quoted characters of what it
// refuses.
package eventjson
