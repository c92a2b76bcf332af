// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir_test

import (
	"context"
	"fmt"
	"log"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// exampleLog is a log of two segments: in a program, the [os.Root.FS] of its directory.
func exampleLog() *made {
	l := newLog(exits{})
	l.commit(2)
	l.rotate()
	l.commit(1)
	return l
}

// exits ends an example that cannot be set up.
type exits struct{}

func (exits) Errorf(format string, args ...any) { log.Printf(format, args...) }
func (exits) FailNow()                          { log.Fatal("the example's log could not be written") }

// List the segments, and read what their first lines say.
func ExampleSegments() {
	fsys, ctx := exampleLog().files, context.Background()
	segments, err := logdir.Segments(fsys)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range segments {
		head, err := logdir.ReadHead(ctx, fsys, s)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(head.Header.Origin, head.Header.FirstIndex)
	}
	// Output:
	// logdir.example/auditlog 0
	// logdir.example/auditlog 4
}

// Keep a checkpoint that no power cut takes back.
func ExampleDurableCheckpoint() {
	note, err := logdir.DurableCheckpoint(context.Background(), exampleLog().files)
	if err != nil {
		log.Fatal(err)
	}
	c, err := signing.ParseCheckpoint(note)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Origin, c.Size) // the second segment's commit may be on its way to the disk
	// Output: logdir.example/auditlog 4
}

// Print the events of a log. With Follow set it goes on with those that are added.
func ExampleLines() {
	for line, err := range logdir.Lines(context.Background(), exampleLog().files, logdir.LinesOptions{Committed: true}) {
		if err != nil {
			log.Fatal(err)
		}
		if segment.KindOf(line.Bytes) == segline.KindEvent {
			e, err := segment.ParseEvent(nil, line.Bytes)
			if err != nil {
				log.Fatal(err)
			}
			var sum eventjson.Summary
			if err := eventjson.Scan(e.Canonical, &sum); err != nil {
				log.Fatal(err)
			}
			fmt.Println(line.Segment.Parsed.FirstIndex, string(sum.ID))
		}
	}
	// Output:
	// 0 own-1
	// 0 own-2
	// 4 own-3
}

// Act on nothing but what a key of the log has signed.
func ExampleChecked() {
	l := exampleLog()
	segments, err := logdir.Segments(l.files)
	if err != nil {
		log.Fatal(err)
	}
	checked := logdir.NewChecked(origin, logID, []*signing.PublicKey{l.signer.Public()}, 64<<20)
	events := 0
	for _, s := range segments {
		r, err := segment.Open(l.files, s.Name, s.Size)
		if err != nil {
			log.Fatal(err)
		}
		for line, err := range checked.Segment(r, s.Parsed) {
			if err != nil {
				log.Fatal(err)
			}
			if segment.KindOf(line.Bytes()) == "event" {
				events++
			}
		}
		if err := r.Close(); err != nil {
			log.Fatal(err)
		}
	}
	tree := checked.Tree()
	fmt.Printf("%d events in a tree of %d leaves\n", events, tree.Size())
	// Output: 3 events in a tree of 7 leaves
}
