// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signing_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"

	"github.com/otel-auditlog/auditlogexporter/signing"
)

// A log signs its tree's size and root hash. A reader opens the checkpoint with the keys that
// the reader trusts, and with no others.
func Example() {
	signer, err := signing.NewSigner(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), nil)
	if err != nil {
		log.Fatal(err)
	}
	root := sha256.Sum256([]byte("of a tree"))
	checkpoint, err := signing.SignCheckpoint("host.example/auditlog", 42, root, signer)
	if err != nil {
		log.Fatal(err)
	}

	c, by, err := signing.OpenCheckpoint(checkpoint, "host.example/auditlog", []*signing.PublicKey{signer.Public()})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Origin, c.Size, by[0].Equal(signer.Public()))

	_, _, err = signing.OpenCheckpoint(checkpoint, "host.example/auditlog", nil)
	fmt.Println(errors.Is(err, signing.ErrNoTrustedSignature))
	// Output:
	// host.example/auditlog 42 true
	// true
}
