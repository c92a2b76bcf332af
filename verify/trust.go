// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"fmt"
	"slices"

	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// trusted returns the keys that the caller trusts.
func (o *Options) trusted() []*signing.PublicKey {
	keys := slices.Clone(o.Keys)
	for _, k := range o.Trust {
		if k.Public != nil {
			keys = append(keys, k.Public)
		}
	}
	return once(keys)
}

// once returns the keys without repetitions, which a note verifier would take for a
// contradiction.
func once(keys []*signing.PublicKey) (each []*signing.PublicKey) {
	for _, k := range keys {
		if !slices.ContainsFunc(each, k.Equal) {
			each = append(each, k)
		}
	}
	return each
}

// namedKeys returns the keys that the log names, for a log that attests itself:
// those of the first header that can be read. Whatever a later header names is
// not believed, or else anybody could continue the log with a key of their own.
func (c *checker) namedKeys(files []segment.File) (keys []*signing.PublicKey) {
	for _, f := range files {
		if h := c.header(f); h != nil {
			for _, k := range h.Keys {
				if p, err := signing.ParsePublicKeyDER(k.PublicKey); err == nil {
					keys = append(keys, p)
				}
			}
			return once(keys)
		}
	}
	return nil
}

// header returns a segment's header if it has a valid one. What else there is will
// be found, and reported, when the segment is read.
func (c *checker) header(f segment.File) *segment.Header {
	r, err := segment.Open(c.fsys, f.Name, f.Size)
	if err != nil {
		return nil
	}
	defer r.Close()
	line, err := r.Next()
	if err != nil {
		return nil
	}
	h, err := segment.ParseHeader(line)
	if err != nil && !errors.Is(err, segment.ErrNewer) {
		return nil
	}
	return &h
}

// rightKey tells a log that is signed with other keys from one that has been
// tampered with: the error wraps [ErrWrongKey].
func (c *checker) rightKey(all []*authority) error {
	var named []string
	for _, a := range all {
		switch {
		case a.header == nil:
		case a.standing > untrusted:
			return nil
		case !slices.Contains(named, a.signer().ID()) && len(named) < 10:
			named = append(named, a.signer().ID())
		}
	}
	leads := func(k *signing.PublicKey) bool { return len(c.changes.from[string(k.SPKI())]) > 0 }
	if len(named) == 0 || slices.ContainsFunc(c.keys, leads) {
		return nil // key changes lead from a key given to others: it is theirs that are missing
	}
	return fmt.Errorf("%w: its segments name the keys %q", ErrWrongKey, named)
}
