// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/otel-auditlog/auditlogexporter/signing"
)

// OpenCheckpoint checks the signatures of a checkpoint of the log in the root of fsys with
// the trusted keys, and those that the log's key changes lead to. With no keys it checks its
// form and its origin only. When it was signed is not known, so that a key that was revoked
// at a time does not count. The error wraps [ErrWrongKey] if none of the keys has signed it;
// witnesses are not asked for.
func OpenCheckpoint(ctx context.Context, fsys fs.FS, text []byte, o Options) (signing.Checkpoint, error) {
	trusted := o.trusted()
	c, err := signing.ParseCheckpoint(text)
	if err == nil {
		err = errors.Join(trusted.Check(), trusted.CheckOrigin(c.Origin))
	}
	keys := trusted.Events()
	if err != nil || len(keys) == 0 {
		return c, err
	}
	notes, err := keyChangesFor(ctx, fsys, c.Size)
	if err != nil {
		return c, err
	}
	chain, err := followKeys(notes, c, keys, func(n *signing.KeyChange) string { return trusted.ObjectionToChange(n, time.Time{}) })
	if err != nil {
		return c, err
	}
	signedBy, others, err := openSigned(text, c.Origin, chain.trusted, trusted.Checkpoints())
	if errors.Is(err, signing.ErrNoTrustedSignature) {
		return c, fmt.Errorf("%w: the %w%s", ErrWrongKey, err, chain.refused)
	}
	if err == nil && c.Size > 0 {
		err = chain.checkSigner(c, signedBy)
	}
	if err != nil {
		return c, err
	}
	last := max(c.Size, 1) - 1
	if signedBy, err = permitted(o.Trust, signedBy, last, last, time.Time{}); err != nil {
		return c, fmt.Errorf("%w: the checkpoint over %d leaves: %w", ErrWrongKey, c.Size, err)
	}
	return c, checkSigners(trusted, c.Size, signedBy, others, time.Time{}, chain.left)
}
