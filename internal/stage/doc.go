// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package stage has what a commit of a log is made of before it is written, and the interface
// of those who look at it then.
//
// A caller encodes records into a [Batch]. Batches that are appended by one call are a [Call],
// and calls that share a commit are an [Admission]. A [Stage] may keep an event out of the
// commit ([Identified.Drop]), refuse its record ([Identified.Refuse]), and have the log say
// something of itself ([Admission.Say]). Package rotation writes what is left.
package stage
