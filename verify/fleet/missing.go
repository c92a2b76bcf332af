// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/kept"
	"github.com/otel-auditlog/auditlogexporter/internal/promised"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// checkMissing says of which logs something was kept that are not there.
func (c *checker) checkMissing() {
	for _, k := range c.kept {
		if k.found {
			continue
		}
		one := Finding{Kind: verify.Rollback, Severity: verify.Tampering,
			Message: fmt.Sprintf("%s covers %d leaves of the log %q, but there is no log of that origin: it is missing", kept.Title(k.Name), k.Size, k.Origin)}
		if err := c.trusted.Evidence(k.Kept.Note); err != nil {
			one.Kind, one.Severity = verify.CheckpointUnchecked, verify.Unchecked
			one.Message = fmt.Sprintf("%s is of the log %q, of which there is none here, and no key that was given has signed it as it is (%v): it is another log's, or it has been changed", kept.Title(k.Name), k.Origin, err)
		}
		c.add(one)
	}
	for _, l := range c.o.Receipts.Promises().Logs() {
		if !c.origins[l.Origin] {
			c.missingPromised(l)
		}
	}
}

// missingPromised says what receipts show of a log that is not there.
func (c *checker) missingPromised(l *promised.Log) {
	var unsigned error
	signed := slices.IndexFunc(l.Promises, func(p *promised.Checkpoint) bool {
		err := c.trusted.Evidence(p.Note)
		if unsigned == nil {
			unsigned = err
		}
		return err == nil
	})
	switch {
	case signed >= 0:
		c.add(Finding{Kind: verify.ReceiptUnfulfilled, Severity: verify.Tampering,
			Message: fmt.Sprintf("the receipt at %s is of the log %q, but there is no log of that origin: it is missing", l.Promises[signed].First, l.Origin)})
	case len(l.Promises) > 0:
		c.add(Finding{Kind: verify.CheckpointUnchecked, Severity: verify.Unchecked,
			Message: fmt.Sprintf("the receipt at %s is of the log %q, of which there is none here, and no key that was given has signed its checkpoint as it is (%v)", l.Promises[0].First, l.Origin, unsigned)})
	}
	for _, why := range l.Broken() {
		c.add(Finding{Kind: verify.ReceiptInvalid, Severity: verify.Unchecked, Message: why})
	}
}
