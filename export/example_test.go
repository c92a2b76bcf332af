// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/otel-auditlog/auditlogexporter/export"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Write the records of a log for another tool, and leave out what the log says of itself. Verify the
// log against the checkpoint first (package verify).
func Example() {
	root, err := os.OpenRoot("../testdata/vectors/receipts/logs/event-ed25519")
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()
	ctx, fsys := context.Background(), root.FS()
	note, err := logdir.NewestCheckpoint(ctx, fsys)
	if err != nil {
		log.Fatal(err)
	}
	checkpoint, err := signing.ParseCheckpoint(note)
	if err != nil {
		log.Fatal(err)
	}
	w, err := export.NewWriter("jsonl", os.Stdout, checkpoint)
	if err != nil {
		log.Fatal(err)
	}
	o := export.Options{Checkpoint: checkpoint, From: 10, Keep: func(e *export.Event) bool { return e.Summary.Log == nil }}
	if err := export.Read(ctx, fsys, o, w.Write); err != nil {
		log.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// {"category":"session_management","event_id":"id-4","level":"info","metadata":{"user.name":"user-4"},"operation":"log","resource_id":"r","resource_type":"t","success":null,"timestamp":"2026-11-23T10:04:00.000000000Z"}
	// {"category":"session_management","event_id":"id-5","level":"info","metadata":{"user.name":"user-5"},"operation":"log","resource_id":"r","resource_type":"t","success":null,"timestamp":"2026-11-23T10:05:00.000000000Z"}
	// {"category":"session_management","event_id":"id-6","level":"info","metadata":{"user.name":"user-6"},"operation":"log","resource_id":"r","resource_type":"t","success":null,"timestamp":"2026-11-23T10:06:00.000000000Z"}
}

// Go through the events that were committed by a certain time.
func ExampleRead() {
	root, err := os.OpenRoot("../testdata/vectors/receipts/logs/event-ed25519")
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()
	ctx, fsys := context.Background(), root.FS()
	note, err := logdir.NewestCheckpoint(ctx, fsys)
	if err != nil {
		log.Fatal(err)
	}
	checkpoint, err := signing.ParseCheckpoint(note)
	if err != nil {
		log.Fatal(err)
	}
	until := time.Date(2026, 11, 23, 10, 0, 12, 0, time.UTC)
	o := export.Options{Checkpoint: checkpoint, CommitTimes: true, Keep: func(e *export.Event) bool {
		return e.Summary.Log == nil && e.Committed.Before(until)
	}}
	err = export.Read(ctx, fsys, o, func(e *export.Event) error {
		_, err := fmt.Printf("leaf %d, %s\n", e.Index, e.Summary.ID)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// leaf 3, id-1
	// leaf 7, id-2
	// leaf 8, id-3
}
