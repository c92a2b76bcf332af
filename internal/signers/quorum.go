// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signers

import (
	"fmt"

	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Quorum returns how many of the witnesses have to cosign, where 0 means all. Several
// keys of one name are one witness that has changed its key; one key of several names
// would count more often than there are witnesses.
func Quorum(witnesses []*witness.Key, quorum int) (int, error) {
	for i, w := range witnesses {
		for _, other := range witnesses[:i] {
			switch {
			case w.Equal(other):
				return 0, fmt.Errorf("the witness %s is given twice", w.Name())
			case w.SamePublicKey(other):
				return 0, fmt.Errorf("the witnesses %s and %s have the same key: they are one", other.Name(), w.Name())
			}
		}
	}
	switch n := CountWitnesses(witnesses); {
	case quorum < 0, quorum > n:
		return 0, fmt.Errorf("a quorum of %d of %d witnesses", quorum, n)
	case quorum == 0:
		return n, nil
	default:
		return quorum, nil
	}
}

// CountWitnesses returns how many witnesses some keys are of.
func CountWitnesses(keys []*witness.Key) int {
	names := map[string]bool{}
	for _, w := range keys {
		names[w.Name()] = true
	}
	return len(names)
}
