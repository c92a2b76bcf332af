// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// algorithms are the names that users give to algorithms.
var algorithms = map[string]signing.Algorithm{"ecdsa-p256": signing.ECDSAP256, "ed25519": signing.Ed25519}

func keygenCommand() *cobra.Command {
	var algorithm, out, checkpointOut, origin string
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a signing key for a new log",
		Long: `keygen makes a key pair for a new log: the private key, which only its owner can
read, and beside it the public key, which auditors need. It never replaces a file.

With --checkpoint-key it makes a second, Ed25519 key that signs checkpoints beside
the first: witnesses know a log by such a key. With --origin it prints what their
operators need, the log's verifier key.`,
		Example: `  auditlog keygen
  auditlog keygen --checkpoint-key audit-log-checkpoint-key.pem --origin host.example.com/auditlog`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, ok := algorithms[algorithm]
			if !ok {
				return fmt.Errorf("--algorithm %q: use ecdsa-p256 or ed25519", algorithm)
			}
			if origin != "" {
				if err := signednote.ValidateOrigin(origin); err != nil {
					return fmt.Errorf("--origin: %w", err)
				}
			}
			s, err := keyfile.Create(out, a)
			if err != nil {
				return err
			}
			public := keyfile.PublicPath(out)
			if _, err = fmt.Fprintf(cmd.OutOrStdout(), `private key  %s  (keep it where only the collector can read it)
public key   %s  (copy it to where auditors keep it, away from this host)
key id       %s

Sign a new log with it by signing.key_file in the collector's configuration, and check the log with
  auditlog verify DIR --key %s
`, out, public, s.Public().ID(), public); err != nil {
				return err
			}
			if checkpointOut != "" {
				if s, err = makeCheckpointKey(cmd.OutOrStdout(), checkpointOut); err != nil {
					return err
				}
			}
			return printVKey(cmd.OutOrStdout(), origin, s.Public())
		},
	}
	cmd.Flags().StringVar(&algorithm, "algorithm", "ecdsa-p256", "ecdsa-p256 or ed25519")
	cmd.Flags().StringVar(&out, "out", "audit-log-key.pem", "`FILE` of the private key")
	cmd.Flags().StringVar(&checkpointOut, "checkpoint-key", "", "`FILE` of a second private key, Ed25519, that signs checkpoints, for witnesses")
	cmd.Flags().StringVar(&origin, "origin", "", "`NAME` of the log: print the verifier key by which its witnesses know it")
	return cmd
}

// makeCheckpointKey makes a key for checkpoints and says what it is for.
func makeCheckpointKey(w io.Writer, path string) (*signing.Signer, error) {
	s, err := keyfile.Create(path, signing.Ed25519)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(w, `
private key  %s  (signs checkpoints, for witnesses)
public key   %s
key id       %s

Set signing.checkpoint_key_file to it.
`, path, keyfile.PublicPath(path), s.Public().ID())
	return s, err
}

// printVKey prints a log's verifier key, if the log has a name.
func printVKey(w io.Writer, origin string, key *signing.PublicKey) error {
	if origin == "" {
		return nil
	}
	vkey, err := key.VKey(origin)
	if err != nil {
		return err
	}
	if key.Algorithm() != signing.Ed25519 {
		_, err = fmt.Fprintf(w, "\nverifier key %s\n(witnesses take Ed25519 keys only: make one with --checkpoint-key)\n", vkey)
		return err
	}
	_, err = fmt.Fprintf(w, "\nverifier key %s\n(give it to the operators of the log's witnesses)\n", vkey)
	return err
}
