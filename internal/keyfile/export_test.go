// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyfile

// ReplaceKey puts the next key in the place of the one in a file.
var ReplaceKey = replaceKey

// CompleteChange completes what was interrupted of that.
var CompleteChange = completeChange
