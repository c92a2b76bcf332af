// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/promised"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// ReceiptsProven is what receipts show by themselves.
type ReceiptsProven struct {
	// Receipts is how many there are.
	Receipts int
	// Origins are the logs that they are of, SignedBy the ids of the trusted keys that
	// signed their checkpoints; both are sorted.
	Origins, SignedBy []string
}

// CheckReceipts checks receipts by themselves, without a log: that each leads from its leaf to
// a checkpoint that a trusted key has signed. The error wraps [ErrFails] if one does
// not, and [ErrWrongKey] if the key of one is not among those given, as it may be where
// the log has changed its key: the log leads from one key to the next, a receipt does not.
// Bounds in time are held against that of the commit. What revoked keys alone have signed shows
// nothing. Witnesses do not count here: a receipt is there before one has cosigned its
// checkpoint.
func CheckReceipts(set *receipt.Set, o Options) (*ReceiptsProven, error) {
	trusted := o.trusted()
	if err := trusted.Check(); err != nil {
		return nil, fmt.Errorf("check receipts: %w", err)
	}
	if len(trusted.Events()) == 0 {
		return nil, errors.New("check receipts: no trusted key given")
	}
	if set.Len() == 0 {
		return nil, errors.New("check receipts: there are none")
	}
	for _, l := range set.Promises().Logs() {
		if err := trusted.CheckOrigin(l.Origin); err != nil {
			return nil, err
		}
	}
	for _, l := range set.Promises().Logs() {
		for _, why := range l.Broken() {
			return nil, fmt.Errorf("%w: %s", ErrFails, why)
		}
	}
	proven := &ReceiptsProven{Receipts: set.Len()}
	signedBy := map[string]bool{}
	var unchecked error
	for _, l := range set.Promises().Logs() {
		proven.Origins = append(proven.Origins, l.Origin)
		for _, p := range l.Promises {
			by, err := checkPromise(trusted, l.Origin, p)
			if errors.Is(err, ErrFails) {
				return nil, err
			}
			if err != nil && unchecked == nil {
				unchecked = err // unless another receipt fails whatever the key
			}
			for _, k := range by {
				signedBy[k.ID()] = true
			}
		}
	}
	if unchecked != nil {
		return nil, unchecked
	}
	slices.Sort(proven.Origins)
	proven.SignedBy = slices.Sorted(maps.Keys(signedBy))
	return proven, nil
}

// checkPromise checks the checkpoint of receipts, and returns the trusted keys that have
// signed it.
func checkPromise(trusted *signers.Trusted, origin string, p *promised.Checkpoint) (by []*signing.PublicKey, err error) {
	c, err := signing.ParseCheckpoint(p.Note)
	if err != nil {
		return nil, err // it has been checked
	}
	by, others, err := openSigned(p.Note, origin, trusted.Events(), trusted.Checkpoints())
	if err == nil {
		by, err = permitted(trusted.Bounds, by, p.Lowest, c.Size-1, p.Committed)
	}
	switch {
	case errors.Is(err, signing.ErrNoTrustedSignature):
		return nil, fmt.Errorf("%w: the receipt at %s: %w", ErrWrongKey, p.First, err)
	case err != nil:
		return nil, fmt.Errorf("%w: the receipt at %s: %w", ErrFails, p.First, err)
	}
	if err := checkSigners(trusted, c.Size, by, others, p.Committed, func(*signing.PublicKey) bool { return false }); err != nil {
		return nil, fmt.Errorf("the receipt at %s: %w", p.First, err)
	}
	return append(by, others...), nil
}
