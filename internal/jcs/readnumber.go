// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package jcs

import (
	"encoding/hex"
	"fmt"
	"strconv"
)

// Integer reads an integer from low to high.
func (r *Reader) Integer(low, high int64) (int64, error) {
	text, err := r.Number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < low || n > high {
		return 0, r.Fail("an integer out of range")
	}
	return n, nil
}

// Hex reads a string of hex digits that fill dst.
func (r *Reader) Hex(dst []byte) error {
	raw, _, err := r.RawString()
	if err != nil {
		return err
	}
	if len(raw) != 2*len(dst) {
		return r.Fail(fmt.Sprintf("an id of %d hex digits expected", 2*len(dst)))
	}
	if _, err := hex.Decode(dst, raw); err != nil {
		return r.Fail("an id that is not hex")
	}
	return nil
}
