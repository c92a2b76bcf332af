// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"cmp"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/signing"
)

// claim is what an event `witnessed` says: that a checkpoint of the log has been
// cosigned. Cosignatures are checked with the event, whether the checkpoint is one of
// this log once the tree before it is known.
type claim struct {
	bad          string // why the event is malformed
	checkpoint   signing.Checkpoint
	proof        tlog.TreeProof
	cosignatures []cosignature
	forged       []string // what is wrong with cosignatures of witnesses that were given
	refused      []refusal
}

// refusal is why a cosignature of a witness that was given does not count.
type refusal struct {
	witness int // in Options.Witnesses
	kind    Kind
	why     string
}

// cosignature is a cosignature of a witness that was given.
type cosignature struct {
	witness int // in Options.Witnesses
	size    uint64
	time    time.Time
	// then is the size of the largest tree that the witness had cosigned by
	// Options.CompleteFrom, if that is a time.
	then uint64
}

// addCosignature keeps the newest cosignature of each witness.
func addCosignature(list []cosignature, v cosignature) []cosignature {
	i := slices.IndexFunc(list, func(old cosignature) bool { return old.witness == v.witness })
	if i < 0 {
		return append(list, v)
	}
	then := max(v.then, list[i].then)
	if cmp.Or(cmp.Compare(v.size, list[i].size), v.time.Compare(list[i].time)) > 0 {
		list[i] = v
	}
	list[i].then = then
	return list
}
