// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package freespace asks file systems for their free space.
package freespace
