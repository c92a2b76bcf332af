// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"cmp"
	"fmt"
)

// Place says where a record stands in its call, each part counted from 0.
type Place struct{ Resource, Scope, Record int32 }

func (p Place) String() string {
	return fmt.Sprintf("resource %d, scope %d, record %d", p.Resource, p.Scope, p.Record)
}

// Compare orders places as records stand in the call.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Resource, q.Resource), cmp.Compare(p.Scope, q.Scope), cmp.Compare(p.Record, q.Record))
}

// Refusal is a record of a call that is not written for good, while the others are.
type Refusal struct {
	Place Place
	// Reason is why, in one word fit for a metric.
	Reason string
	// SHA256 is that of the event in canonical JSON that would have been written; nil if
	// there is none.
	SHA256 []byte
	// EventID is the record's id, cut to 128 bytes; empty if it has none.
	EventID string
	// Err says why in full, to the caller.
	Err error
}

// Refused are the records of a call that are not written: those that are named, and how
// many more there are.
type Refused struct {
	Named []Refusal
	More  int
}

// Len returns how many records were refused.
func (r Refused) Len() int { return len(r.Named) + r.More }

// MaxNamedRefusals is how many refused records of one call have an event of their own at the most.
const MaxNamedRefusals = 100

// maxSaidID is how many bytes of an id are repeated in errors.
const maxSaidID = 128
