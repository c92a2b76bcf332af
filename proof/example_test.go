// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

const (
	logDirectory = "../testdata/vectors/receipts/logs/event-ed25519"
	receiptsFile = "../testdata/vectors/receipts/event-ed25519.jsonl"
	keyFile      = "../testdata/vectors/ed25519.pub.pem"
)

// trusted is what the reader of a proof trusts: the log's public key.
func trusted() proof.Options {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		log.Fatal(err)
	}
	key, err := signing.ParsePublicKey(text)
	if err != nil {
		log.Fatal(err)
	}
	return proof.Options{Keys: []*signing.PublicKey{key}, Origin: "vectors.example/auditlog"}
}

// proofOf returns the proof of an event, which is to be sent to somebody.
func proofOf(id string) []byte {
	root, err := os.OpenRoot(logDirectory)
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()
	p, err := proof.Prove(context.Background(), root.FS(), proof.Query{EventID: id})
	if err != nil {
		log.Fatal(err)
	}
	return p.Marshal()
}

// Prove to somebody that one event is in a log, who has the log's public key, and nothing else of
// the log.
func Example() {
	text := proofOf("id-1")

	proven, err := proof.Check(text, trusted())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("leaf %d of the %d of %s, committed at %s\n", proven.Index, proven.TreeSize, proven.Origin, proven.Committed)

	text = bytes.Replace(text, []byte("index 3"), []byte("index 2"), 1)
	_, err = proof.Check(text, trusted())
	fmt.Println("another index:", errors.Is(err, proof.ErrFails))
	// Output:
	// leaf 3 of the 16 of vectors.example/auditlog, committed at 2026-11-23 10:00:08 +0000 UTC
	// another index: true
}

// Errors say what a proof could not be made of.
func ExampleProve() {
	root, err := os.OpenRoot(logDirectory)
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()
	_, err = proof.Prove(context.Background(), root.FS(), proof.Query{EventID: "id-99"})
	fmt.Println(errors.Is(err, proof.ErrNoEvent))
	// Output: true
}

// Check receipts by themselves, without the log that they are of.
func ExampleCheckReceipts() {
	file, err := os.Open(receiptsFile)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	var set receipt.Set
	if err := set.Read(file.Name(), file); err != nil {
		log.Fatal(err)
	}
	proven, err := proof.CheckReceipts(&set, trusted())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(proven.Receipts, "receipts of", proven.Origins)
	// Output: 6 receipts of [vectors.example/auditlog]
}
