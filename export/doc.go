// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package export hands the events of an audit log to other tools: as OTLP log
// records in JSON, as OCSF events, as CSV, and as they are.
//
// # Idea
//
// [Read] goes through the leaves that a checkpoint of the log covers, in order, and
// passes on the events that are wanted; a [Writer] writes each in its form. Nothing is
// handed out that no checkpoint covers: such events were never acknowledged.
//
// # Trust
//
// Reading hashes every line on the way. If the lines do not lead to the root that the
// checkpoint states, Read ends with [logdir.ErrDamaged]; what has been passed on until then is
// then not what the log once held. Whether the checkpoint itself is to be believed is
// up to the caller: verify the log against it first (package verify), with the public
// key.
//
// An exported event is a copy without proof, but for what OCSF has with it: the line that
// was signed and is a leaf of the tree, and a checkpoint of the tree, as it was signed.
package export
