// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package keyhistory reads which keys a log has had: the notes about changes of its key, from
// their file and from the segments that they introduce. It checks the form and the signature
// of each note; which of them leads from a trusted key is for the caller.
package keyhistory
