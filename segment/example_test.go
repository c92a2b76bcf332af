// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

// List the segments of a log, and read the lines of the newest one.
func Example() {
	fsys := os.DirFS("../testdata/vectors/receipts/logs/event-ed25519")
	l, err := segment.List(fsys)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range l.Segments {
		fmt.Println(f.Name, f.Parsed.FirstIndex, f.Parsed.Compression)
	}

	newest := l.Segments[len(l.Segments)-1]
	r, err := segment.Open(fsys, newest.Name, newest.Size)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	for {
		line, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err) // the last line is cut off, or the file is damaged
		}
		switch kind := segment.KindOf(line); kind {
		case "segment":
			h, err := segment.ParseHeader(line)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(kind, h.Origin, h.FirstIndex, h.Scope, h.Keys[0].Algorithm)
		case "event":
			e, err := segment.ParseEvent(nil, line)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%s of %d bytes, signed with %s\n", kind, len(e.Canonical), e.KeyID)
		case "commit":
			c, err := segment.ParseCommit(line)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(kind, c.Number, c.Time)
		case "checkpoint":
			note, err := segment.ParseCheckpoint(line)
			if err != nil {
				log.Fatal(err)
			}
			var origin string
			var size uint64
			if _, err := fmt.Sscanf(string(note), "%s\n%d\n", &origin, &size); err != nil {
				log.Fatal(err)
			}
			fmt.Println(kind, origin, size)
		default:
			log.Fatalf("line %d of %s is malformed", r.Line(), newest.Name)
		}
	}
	// Output:
	// audit-00000000000000000000-20261123T100003Z.jsonl 0 none
	// audit-00000000000000000005-20261123T100010Z.jsonl 5 none
	// audit-00000000000000000010-20261123T100013Z.jsonl 10 none
	// segment vectors.example/auditlog 10 event ed25519
	// event of 749 bytes, signed with 549715f8b8e193cb
	// event of 216 bytes, signed with 549715f8b8e193cb
	// event of 216 bytes, signed with 549715f8b8e193cb
	// event of 216 bytes, signed with 549715f8b8e193cb
	// commit 4 2026-11-23 10:00:13 +0000 UTC
	// checkpoint vectors.example/auditlog 16
}
