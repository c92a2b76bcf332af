// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receipt_test

import (
	"bufio"
	"fmt"
	"log"
	"os"

	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Keep the receipts that show where the log has put one's events, after checking that each leads
// from its event to a checkpoint that the log has signed.
func Example() {
	text, err := os.ReadFile("../testdata/vectors/ed25519.pub.pem")
	if err != nil {
		log.Fatal(err)
	}
	key, err := signing.ParsePublicKey(text)
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.Open("../testdata/vectors/receipts/event-ed25519.jsonl")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		r, err := receipt.Parse(lines.Bytes())
		if err != nil {
			log.Fatal(err)
		}
		c, err := r.Check()
		if err != nil {
			log.Fatal(err)
		}
		if _, _, err := signing.OpenCheckpoint(r.Checkpoint, "vectors.example/auditlog", []*signing.PublicKey{key}); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s is leaf %d of %d\n", r.EventID, r.Index, c.Size)
	}
	// Output:
	// id-1 is leaf 3 of 5
	// id-2 is leaf 7 of 10
	// id-3 is leaf 8 of 10
	// id-4 is leaf 12 of 16
	// id-5 is leaf 13 of 16
	// id-6 is leaf 14 of 16
}

// Read receipts into a set, which package verify holds to a log and package proof checks by
// themselves.
func ExampleSet() {
	file, err := os.Open("../testdata/vectors/receipts/event-ed25519.jsonl")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	var set receipt.Set
	if err := set.Read(file.Name(), file); err != nil {
		log.Fatal(err)
	}
	fmt.Println(set.Len())
	// Output: 6
}
