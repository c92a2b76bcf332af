// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/internal/kept"
	"github.com/otel-auditlog/auditlogexporter/internal/visible"
)

// Receipts are the log's promises: it must extend the checkpoint of each, and hold the event
// that each names at its leaf.

// keptByReceipts returns the receipts' checkpoints as such that the log must extend.
func (o *Options) keptByReceipts() (all []*keptCheckpoint) {
	for _, l := range o.Receipts.Promises().Logs() {
		for _, p := range l.Promises {
			all = append(all, &keptCheckpoint{Tree: &kept.Tree{}, note: p.Note, promise: p})
		}
	}
	return all
}

// checkReceipts says what is wrong with receipts by themselves, which is none of the log's
// doing, and how many the log honors.
func (c *checker) checkReceipts(r *Report) {
	r.Receipts = c.o.Receipts.Len()
	for _, k := range c.kept {
		if k.promise != nil && k.err == nil && k.Origin == r.Origin && k.Same() && !k.Other() {
			r.ReceiptsHonored += k.promise.Receipts
		}
	}
	for _, l := range c.o.Receipts.Promises().Logs() {
		for _, why := range l.Broken() {
			c.log.add(c.o.MaxFindings, Finding{Kind: ReceiptInvalid, Severity: Unchecked, Message: why})
		}
	}
}

// compareReceipt says so if a receipt names another event than the one that its leaf,
// which is next, is; it may be none.
func (f *follower) compareReceipt(l *checked) {
	if f.c.o.Receipts == nil {
		return
	}
	if where, other := f.c.o.Receipts.Promises().OtherEvent(l.leaf, l.sum.ID); other {
		f.add(Finding{
			Kind: ReceiptInvalid, Severity: Tampering, Index: f.index(), EventID: visible.Clip(l.sum.ID, maxID),
			Message: fmt.Sprintf("the receipt at %s is for this leaf, but names another event: it has been changed, or whoever wrote it deceived its holder", where),
		})
	}
}
