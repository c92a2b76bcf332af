// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package pemfile reads files that hold one PEM block (RFC 7468).
package pemfile

import (
	"bytes"
	"encoding/pem"
	"errors"
)

// Block returns the one PEM block of a file, which holds nothing else.
func Block(b []byte) (*pem.Block, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, errors.New("the file is empty")
	}
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("-----BEGIN ")) {
		return nil, errors.New("the file does not begin with a PEM block (-----BEGIN …)")
	}
	block, rest := pem.Decode(b)
	if block == nil {
		return nil, errors.New("the PEM block is damaged or cut off")
	}
	if len(bytes.TrimSpace(rest)) != 0 {
		return nil, errors.New("something follows the first PEM block: one key a file")
	}
	return block, nil
}
