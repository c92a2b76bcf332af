// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package ingest turns requests into events of audit logs: all that happens between a call
// of the collector and its answer.
//
// An [Ingester] answers each request it is given ([Ingester.Write]). Nil says that each
// record is an event in its log, signed, covered by a signed checkpoint and as durable as the
// logs are. A permanent error names the records that never will be, while the others are in
// the log. Any other error says that none is, or which partitions took none, and that it is
// worth trying again.
//
// # The way of a record
//
//   - inflight counts the requests that have no answer yet, and the bytes they hold: it refuses
//     what is too much, and has a shutdown wait.
//   - A request (request.go) is one call. It has itself admitted, divided, encoded and appended,
//     in this order, and makes the answer.
//   - A share (shares.go) is the part of a request that belongs in one log. Its log takes it as
//     one unit.
//   - The parts of a share (parts.go) are worked on by several goroutines, the request's own
//     among them. Each part becomes a batch.
//   - A worker (worker.go) makes an event of one record at a time, signs it and adds it to the
//     batch. It belongs to one goroutine at a time.
//   - What a worker knows of the proof that a producer put on a record is in proofs.go.
//   - Refusals (refusals.go) are the records of a request that no event is made of, for good.
//     They keep none of the others out.
//
// Nothing is written before events have been made of all records. From then on each share is
// on its own.
//
// # The logs
//
// The logs are a set (logs.go): one for each value of a resource attribute. Without
// partitions it is a set of one, whose name is empty. The set begins logs as values come,
// opens again what could not be opened, and closes all. A [Layout] says where they lie.
//
// A log is a [rotation.Log]. It tells its [LogObserver] how it is; what becomes of requests is
// told to the [Observer]. Receipts are written by a scheduler of package issuer, which the
// logs tell of their commits.
//
// This package knows nothing of how the exporter is configured, except that its errors name
// the keys of the configuration that can put them right.
package ingest
