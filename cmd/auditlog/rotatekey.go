// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

type rotateKeyFlags struct {
	key, newKey, checkpointKey, algorithm string
}

func rotateKeyCommand() *cobra.Command {
	var f rotateKeyFlags
	cmd := &cobra.Command{
		Use:   "rotate-key DIR",
		Short: "Have a stopped log go on with another key",
		Long: `rotate-key begins a new segment of the log in DIR, signed with a new key that the
old key introduces: whoever trusts the old public key can check what the new one
signs, and the other way round. The log must not be in use. A running log changes
its key by its configuration: signing.key_file and signing.previous_key_file.

The new key is made if its file does not exist. Once the log has gone over to it,
the old private key is not needed any more: destroy it, and keep the public one.`,
		Example: `  auditlog rotate-key audit-log --key audit-log-key.pem --new-key audit-log-key-2027.pem`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.key, "key", "audit-log-key.pem", "private key `FILE` that the log is signed with")
	flags.StringVar(&f.newKey, "new-key", "", "private key `FILE` to go on with")
	flags.StringVar(&f.checkpointKey, "checkpoint-key", "", "private key `FILE` that signs checkpoints beside it, if the log has one")
	flags.StringVar(&f.algorithm, "algorithm", "ecdsa-p256", "of a new key that is made: ecdsa-p256 or ed25519")
	if err := cmd.MarkFlagRequired("new-key"); err != nil {
		panic(err) // the flag is there
	}
	return cmd
}

// closeWithin is how long closing the log may take.
const closeWithin = time.Minute

func (f *rotateKeyFlags) run(cmd *cobra.Command, dir string) (err error) {
	header, err := newestHeader(cmd.Context(), dir)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	o := rotation.Options{Directory: dir, Origin: header.Origin, Scope: header.Scope, Sync: true}
	if o.PreviousSigner, err = keyfile.Load(f.key); err != nil {
		return fmt.Errorf("--key: %w", err)
	}
	// Before a key is made for nothing.
	if id := o.PreviousSigner.Public().ID(); id != header.Keys[0].ID {
		return fmt.Errorf("--key: %s is the key %s, but the log is signed with %s", f.key, id, header.Keys[0].ID)
	}
	if f.checkpointKey != "" {
		if o.CheckpointSigner, err = keyfile.Load(f.checkpointKey); err != nil {
			return fmt.Errorf("--checkpoint-key: %w", err)
		}
	}
	// The lock comes first: no key is to be made for a log that somebody else writes.
	if o.FS, err = durable.OpenLocked(dir); err != nil {
		if errors.Is(err, durable.ErrLocked) {
			err = fmt.Errorf("%w: stop the collector, or change the key by its configuration", err)
		}
		return err
	}
	defer func() { err = errors.Join(err, o.FS.Close()) }()
	made := false
	o.Signer, err = keyfile.Load(f.newKey)
	if errors.Is(err, fs.ErrNotExist) {
		a, ok := algorithms[f.algorithm]
		if !ok {
			return fmt.Errorf("--algorithm %q: use ecdsa-p256 or ed25519", f.algorithm)
		}
		o.Signer, err = keyfile.Create(f.newKey, a)
		made = true
	}
	if err != nil {
		return fmt.Errorf("--new-key: %w", err)
	}
	if o.Signer.Public().Equal(o.PreviousSigner.Public()) {
		return fmt.Errorf("--new-key: %s holds the key that the log is signed with already", f.newKey)
	}
	log, err := rotation.Open(cmd.Context(), o)
	if err != nil {
		return err
	}
	checkpoint, err := signing.ParseCheckpoint(log.Checkpoint())
	closing, cancel := context.WithTimeout(cmd.Context(), closeWithin)
	defer cancel()
	if err = errors.Join(err, log.Close(closing)); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if made {
		fmt.Fprintf(out, "made         %s and %s\n", f.newKey, keyfile.PublicPath(f.newKey))
	}
	_, err = fmt.Fprintf(out, `log          %s, now %d leaves
signed with  %s
before       %s

Set signing.key_file to %s before the collector is started again. Then destroy the
old private key, %s; auditors go on with the public key that they have.
`, plain(header.Origin), checkpoint.Size, o.Signer.Public().ID(), o.PreviousSigner.Public().ID(), f.newKey, f.key)
	return err
}

// newestHeader reads the header of a log's newest segment that has one.
func newestHeader(ctx context.Context, dir string) (_ segment.Header, err error) {
	fsys, closeLog, err := openLog(dir)
	if err != nil {
		return segment.Header{}, err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	segments, err := logdir.Segments(fsys)
	if err != nil {
		return segment.Header{}, err
	}
	for _, s := range slices.Backward(segments) {
		head, headErr := logdir.ReadHead(ctx, fsys, s)
		if headErr == nil {
			return head.Header, nil
		}
		err = cmp.Or(err, headErr)
	}
	return segment.Header{}, cmp.Or(err, verify.ErrNoLog)
}
