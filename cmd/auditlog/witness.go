// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// loadWitnesses returns the keys of witnesses, given their verifier keys or files that
// hold one each.
func (h *handed) loadWitnesses(given []string) (keys []*witness.Key, err error) {
	for _, vkey := range given {
		if !strings.Contains(vkey, "+") {
			b, err := h.read("witness", vkey, maxKeyFile)
			if err != nil {
				return nil, fmt.Errorf("--witness %s: %w", vkey, err)
			}
			vkey = strings.TrimSpace(string(b))
		}
		key, err := witness.ParseKey(vkey)
		if err != nil {
			return nil, fmt.Errorf("--witness %.80q: not the verifier key of a witness: %w", vkey, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func checkQuorum(quorum int, witnesses []*witness.Key) error {
	switch {
	case quorum != 0 && len(witnesses) == 0:
		return errors.New("--quorum: give the witnesses with --witness")
	case quorum < 0 || quorum > len(witnesses):
		return fmt.Errorf("--quorum %d: with %d --witness, give a number up to that", quorum, len(witnesses))
	default:
		return nil
	}
}

// printWitnesses prints how far the witnesses vouch for the log.
func printWitnesses(b *strings.Builder, r *verify.Report) {
	if len(r.Witnesses) == 0 {
		return
	}
	fmt.Fprintf(b, "witnessed  up to %d leaves\n", r.WitnessedSize)
	for _, w := range r.Witnesses {
		switch {
		case w.Size == 0:
			fmt.Fprintf(b, "witness    %s: nothing\n", plain(w.Name))
		case w.Time == nil:
			fmt.Fprintf(b, "witness    %s: %d leaves, at no time that can be\n", plain(w.Name), w.Size)
		default:
			fmt.Fprintf(b, "witness    %s: %d leaves, on %s\n", plain(w.Name), w.Size, w.Time.Format(time.RFC3339))
		}
	}
}
