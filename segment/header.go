// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Format names the version of the file format that this package reads and
// writes.
const Format = "auditlog/v1"

// Scope says what is signed besides the checkpoints.
type Scope string

// The scopes.
const (
	// ScopeEvent signs every event on its own, and every checkpoint.
	ScopeEvent Scope = "event"
	// ScopeCheckpoint signs checkpoints alone.
	ScopeCheckpoint Scope = "checkpoint"
)

// Key is a public key as a header names it. What a header says is a claim, not
// a reason to trust the key.
type Key struct {
	// ID is the key id: the first 8 bytes, in hex, of SHA-256 of PublicKey.
	ID        string
	Algorithm signing.Algorithm
	// PublicKey is the SubjectPublicKeyInfo in DER (RFC 5280, section 4.1).
	PublicKey []byte
}

// KeyOf returns what a header says of a public key.
func KeyOf(k *signing.PublicKey) Key {
	return Key{ID: k.ID(), Algorithm: k.Algorithm(), PublicKey: k.SPKI()}
}

// Header is the first line of a segment, and the leaf with index FirstIndex.
type Header struct {
	Origin     string
	FirstIndex uint64
	// Frontier is the compact state of the tree of FirstIndex leaves that
	// precedes the segment: the hashes of its maximal perfect subtrees, largest
	// first. It lets a segment be checked without those before it.
	Frontier []merkle.Hash
	Created  time.Time
	Scope    Scope
	// Keys are the public keys of the signatures in the segment.
	Keys []Key
}

const headerTime = "2006-01-02T15:04:05.000000000Z"

// AppendHeader appends a header line, without LF.
func AppendHeader(dst []byte, h Header) []byte {
	dst = append(dst, headerStart+`{"format":"`+Format+`","origin":`...)
	dst = AppendString(dst, []byte(h.Origin))
	dst = append(dst, `,"first_index":`...)
	dst = strconv.AppendUint(dst, h.FirstIndex, 10)
	dst = append(dst, `,"frontier":[`...)
	for i, hash := range h.Frontier {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendBase64(dst, hash[:])
	}
	dst = append(dst, `],"created":"`...)
	dst = h.Created.UTC().AppendFormat(dst, headerTime)
	dst = append(dst, `","scope":`...)
	dst = AppendString(dst, []byte(h.Scope))
	dst = append(dst, `,"keys":[`...)
	for i, k := range h.Keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = AppendString(dst, []byte(k.ID))
		dst = append(dst, `,"algorithm":`...)
		dst = AppendString(dst, []byte(k.Algorithm))
		dst = append(dst, `,"public_key":`...)
		dst = appendBase64(dst, k.PublicKey)
		dst = append(dst, '}')
	}
	return append(dst, "]}}"...)
}

func appendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// headerJSON is the wire form of a header.
type headerJSON struct {
	Segment struct {
		Format     string   `json:"format"`
		Origin     string   `json:"origin"`
		FirstIndex uint64   `json:"first_index"`
		Frontier   [][]byte `json:"frontier"`
		Created    string   `json:"created"`
		Scope      Scope    `json:"scope"`
		Keys       []struct {
			ID        string            `json:"id"`
			Algorithm signing.Algorithm `json:"algorithm"`
			PublicKey []byte            `json:"public_key"`
		} `json:"keys"`
	} `json:"segment"`
}

const (
	// maxHeaderBytes is far above what a header of 64 frontier hashes and a
	// few dozen keys takes.
	maxHeaderBytes = 64 << 10
	maxKeys        = 64
)

// ParseHeader parses a header line. It accepts only the bytes that
// [AppendHeader] would write for what it returns. The keys' encoding is
// checked, their ids too; whether to trust them is the caller's to decide.
func ParseHeader(line []byte) (Header, error) {
	if len(line) > maxHeaderBytes {
		return Header{}, fmt.Errorf("header line has %d bytes, more than %d", len(line), maxHeaderBytes)
	}
	var in headerJSON
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return Header{}, fmt.Errorf("header line: %w", err)
	}
	s := &in.Segment
	if s.Format != Format {
		return Header{}, fmt.Errorf("header line has format %q; this version reads %q", s.Format, Format)
	}
	if s.FirstIndex > MaxIndex {
		return Header{}, fmt.Errorf("header line has first_index %d, above %d", s.FirstIndex, uint64(MaxIndex))
	}
	if s.Scope != ScopeEvent && s.Scope != ScopeCheckpoint {
		return Header{}, fmt.Errorf("header line has scope %q; there are %q and %q", s.Scope, ScopeEvent, ScopeCheckpoint)
	}
	if len(s.Keys) == 0 || len(s.Keys) > maxKeys {
		return Header{}, fmt.Errorf("header line names %d keys; 1 to %d are allowed", len(s.Keys), maxKeys)
	}
	if err := signing.ValidateOrigin(s.Origin); err != nil {
		return Header{}, fmt.Errorf("header line: %w", err)
	}
	h := Header{Origin: s.Origin, FirstIndex: s.FirstIndex, Scope: s.Scope}
	for _, b := range s.Frontier {
		if len(b) != len(merkle.Hash{}) {
			return Header{}, fmt.Errorf("header line has a frontier hash of %d bytes", len(b))
		}
		h.Frontier = append(h.Frontier, merkle.Hash(b))
	}
	if _, err := merkle.NewFrontier(h.FirstIndex, h.Frontier); err != nil {
		return Header{}, fmt.Errorf("header line: %w", err)
	}
	var err error
	if h.Created, err = time.Parse(headerTime, s.Created); err != nil {
		return Header{}, fmt.Errorf("header line: created: %w", err)
	}
	for _, k := range s.Keys {
		public, err := signing.ParsePublicKeyDER(k.PublicKey)
		if err != nil {
			return Header{}, fmt.Errorf("header line: key %q: %w", k.ID, err)
		}
		if public.ID() != k.ID || public.Algorithm() != k.Algorithm {
			return Header{}, fmt.Errorf("header line: key %q says %s, but its public_key is %s of algorithm %s", k.ID, k.Algorithm, public.ID(), public.Algorithm())
		}
		h.Keys = append(h.Keys, Key{ID: k.ID, Algorithm: k.Algorithm, PublicKey: k.PublicKey})
	}
	if !bytes.Equal(AppendHeader(nil, h), line) {
		return Header{}, errors.New("header line is not in the form this format demands (member order, spacing, escapes, base64 or trailing bytes)")
	}
	return h, nil
}
