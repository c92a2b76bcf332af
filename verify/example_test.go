// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// Check a copy of a log with the public key that was kept when the log was set up, and against a
// checkpoint that was kept later: without one, nobody can tell whether the end of the log has
// been cut off.
func ExampleLog() {
	text, err := os.ReadFile("../testdata/vectors/keys/zstd.pub.pem")
	if err != nil {
		log.Fatal(err)
	}
	key, err := signing.ParsePublicKey(text)
	if err != nil {
		log.Fatal(err)
	}
	checkpoint, err := os.ReadFile("../testdata/vectors/kept/zstd.txt")
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.OpenRoot("../testdata/vectors/logs/zstd")
	if err != nil {
		log.Fatal(err)
	}
	defer dir.Close()
	report, err := verify.Log(context.Background(), dir.FS(), verify.Options{
		Keys:              []*signing.PublicKey{key},
		Checkpoints:       []verify.Kept{{Name: "zstd.txt", Note: checkpoint}},
		RequireCheckpoint: true,
	})
	if err != nil {
		log.Fatal(err) // it could not be checked: nothing is said of the log
	}
	fmt.Println(report.Verdict)
	fmt.Println(report.TotalEvents, "events in", report.TreeSize, "leaves; end checked:", report.EndChecked)
	// Output:
	// ok
	// 12 events in 23 leaves; end checked: true
}

// Somebody has deleted a segment from the middle of a log. A finding says what is wrong where; its
// message is for people.
func ExampleLog_tampering() {
	text, err := os.ReadFile("../testdata/vectors/ed25519.pub.pem")
	if err != nil {
		log.Fatal(err)
	}
	key, err := signing.ParsePublicKey(text)
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.OpenRoot("../testdata/vectors/logs/hole")
	if err != nil {
		log.Fatal(err)
	}
	defer dir.Close()
	report, err := verify.Log(context.Background(), dir.FS(), verify.Options{Keys: []*signing.PublicKey{key}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Verdict)
	for _, f := range report.Findings {
		if f.Severity == verify.Tampering {
			fmt.Println(f.Kind, f.Segment)
		}
	}
	// Output:
	// tampering
	// segment_missing audit-00000000000000000007-20261123T100500Z.jsonl
}
