// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"errors"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/internal/foreign"
	"github.com/otel-auditlog/auditlogexporter/internal/keyhistory"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// readHead reads who signs a segment. What cannot be read will be found, and reported,
// when the segment is checked.
func (c *checker) readHead(f segment.File) *authority {
	a := &authority{}
	r, err := foreign.Open(c.fsys, f.Name, f.Size)
	if err != nil {
		return a
	}
	defer r.Close()
	line, err := r.NextHeader()
	if err != nil {
		return a
	}
	h, err := segment.ParseHeader(line)
	switch {
	case errors.Is(err, segment.ErrNewer):
		a.newer = err
	case err != nil:
		return a
	}
	if a.keys = c.publicKeys(&h); a.keys == nil {
		return a // ParseHeader has checked them
	}
	a.header, a.headerLeaf = &h, merkle.LeafHash(line)
	a.log = &eventLog{h.Origin, h.Log}
	a.change = keyhistory.AfterHeader(r)
	return a
}

// publicKeys returns the keys that a header names. Those of one header after another are
// mostly the same, and then kept once, and so are the origin and the names of features.
func (c *checker) publicKeys(h *segment.Header) []*signing.PublicKey {
	same := func(a, b segline.Key) bool { return bytes.Equal(a.PublicKey, b.PublicKey) }
	last := c.lastHead
	if last == nil || !slices.EqualFunc(last.header.Keys, h.Keys, same) {
		keys := make([]*signing.PublicKey, len(h.Keys))
		for i := range h.Keys {
			k, err := signing.ParsePublicKeyDER(h.Keys[i].PublicKey)
			if err != nil {
				return nil
			}
			keys[i], h.Keys[i].PublicKey = k, k.SPKI()
		}
		last = &authority{header: h, keys: signers.Once(keys)}
		c.lastHead = last
	}
	h.Keys = last.header.Keys
	if h.Origin == last.header.Origin {
		h.Origin = last.header.Origin
	}
	if slices.Equal(h.Features, last.header.Features) {
		h.Features = last.header.Features
	}
	return last.keys
}
