// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package issuer

import "github.com/otel-auditlog/auditlogexporter/event"

// idOf returns an event's id, and whether it is one of the log's own.
func idOf(canonical []byte) (id []byte, own bool, err error) {
	var sum event.Summary
	if err := event.Scan(canonical, &sum); err != nil {
		return nil, false, err
	}
	return sum.ID, sum.Log != nil, nil
}
