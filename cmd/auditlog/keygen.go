// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/signing"
)

// algorithms are the names that users give to algorithms.
var algorithms = map[string]signing.Algorithm{"ecdsa-p256": signing.ECDSAP256, "ed25519": signing.Ed25519}

func keygenCommand() *cobra.Command {
	var algorithm, out string
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a signing key for a new log",
		Long: `keygen makes a key pair for a new log: the private key, which only its owner can
read, and beside it the public key, which auditors need. It never replaces a file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, ok := algorithms[algorithm]
			if !ok {
				return fmt.Errorf("--algorithm %q: use ecdsa-p256 or ed25519", algorithm)
			}
			s, err := signing.CreateKeyFile(out, a)
			if err != nil {
				return err
			}
			public := signing.PublicKeyPath(out)
			_, err = fmt.Fprintf(cmd.OutOrStdout(), `private key  %s  (keep it where only the collector can read it)
public key   %s  (copy it to where auditors keep it, away from this host)
key id       %s

Sign a new log with it by signing.key_file in the collector's configuration, and check the log with
  auditlog verify DIR --key %s
`, out, public, s.Public().ID(), public)
			return err
		},
	}
	cmd.Flags().StringVar(&algorithm, "algorithm", "ecdsa-p256", "ecdsa-p256 or ed25519")
	cmd.Flags().StringVar(&out, "out", "audit-log-key.pem", "`FILE` of the private key")
	return cmd
}
