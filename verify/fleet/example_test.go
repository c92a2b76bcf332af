// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/verify/fleet"
)

// Check all logs below a directory. Here are two good ones, and a checkpoint was kept of a
// third, which is missing.
func ExampleCheck() {
	const vectors = "../../testdata/vectors/"
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for copied, original := range map[string]string{"a": "scope-checkpoint", "b/tenant": "another-log"} {
		if err := os.CopyFS(filepath.Join(dir, copied), os.DirFS(vectors+"logs/"+original)); err != nil {
			log.Fatal(err)
		}
	}
	var o verify.Options
	for _, name := range []string{"keys/another-log.pub.pem", "ed25519.pub.pem"} {
		text, err := os.ReadFile(vectors + name)
		if err != nil {
			log.Fatal(err)
		}
		key, err := signing.ParsePublicKey(text)
		if err != nil {
			log.Fatal(err)
		}
		o.Keys = append(o.Keys, key)
	}
	kept, err := os.ReadFile(vectors + "kept/kept-of-another-log.txt")
	if err != nil {
		log.Fatal(err)
	}
	o.Checkpoints = []verify.Kept{{Name: "other.txt", Note: kept}}

	summary, err := fleet.Check(context.Background(), os.DirFS(dir), o, func(l fleet.Log) error {
		if l.Err != nil {
			return l.Err
		}
		fmt.Println(l.Path, l.Report.Verdict)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range summary.Findings {
		fmt.Println(f.Severity, f.Kind)
	}
	fmt.Println("everything was checked:", summary.Complete())
	// Output:
	// a ok
	// b/tenant ok
	// tampering rollback
	// everything was checked: true
}
