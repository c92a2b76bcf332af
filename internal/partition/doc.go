// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package partition names the logs that records are divided into by the value of an
// attribute: each value has a directory of its own, and the directory's name ends the
// log's origin.
//
// A value comes from whoever sends the records, and may be anything. Its name is safe as
// the name of a file on any file system, one that ignores case or normalises Unicode
// among them, and in an origin; no two values have the same name; and the name of an
// ordinary value is the value itself. docs/fleet.md states the rule.
package partition
