// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// known are the features that this version reads.
var known = []segline.Feature{segline.FeatureIDs, segline.FeaturePartition}

// ErrNewer: a header names a format or a feature that this version does not know.
// [ParseHeader] then still returns what a reader needs to follow the tree and to check
// the signatures of checkpoints.
var ErrNewer = errors.New("the segment was written by a newer version")

// Header is the first line of a segment (docs/format.md, section 3.1), and the leaf with index
// FirstIndex.
type Header struct {
	// Origin is the log's name, as in its checkpoints (c2sp.org/tlog-checkpoint).
	Origin string
	// Log tells the log from any other of the same origin: it is chosen at random for
	// leaf 0, and equal in every header of the log.
	Log        signing.LogID
	FirstIndex uint64
	// Frontier is the compact state of the tree of FirstIndex leaves that
	// precedes the segment: the hashes of its maximal perfect subtrees, largest
	// first. It lets a segment be checked without those before it.
	Frontier []merkle.Hash
	// Created is the writer's clock; cut to seconds, it is the time in the file's name.
	Created time.Time
	// Scope is "event" if every event is signed on its own, or "checkpoint" if checkpoints
	// alone are signed.
	Scope segline.Scope
	// Features are names of properties that a reader must know, sorted and unique: "ids" if
	// each [Commit] has IDs, "partition" if the log is one of several that a writer divides its
	// records among.
	Features []segline.Feature
	// MinAge, in whole seconds, is the writer's promise not to delete a leaf of the segment
	// before the segment's last commit is that old.
	MinAge time.Duration
	// Retain is the writer's promise not to delete a leaf before FirstIndex earlier.
	Retain time.Time
	// Keys are the public keys of the signatures in the segment, 1 to 64, each with its ID, its
	// Algorithm ("ed25519" or "ecdsa-p256-sha256") and the PublicKey, a SubjectPublicKeyInfo in
	// DER (RFC 5280, section 4.1). The first signs events. They are a claim, not a reason to
	// trust them.
	Keys []segline.Key
	// Succeeds, in the header of leaf 0 only, is the log that this one replaces, with the size
	// and root hash of its tree; nil if there is none. It is a statement, not a proof.
	Succeeds *segline.Predecessor
}

// AppendTo appends the header's line, without LF, to dst. The hash of that leaf is
// [merkle.LeafHash] of the line.
func (h Header) AppendTo(dst []byte) []byte {
	dst = append(dst, segline.HeaderStart+`{"format":"`+segline.Format+`","origin":`...)
	dst = jcs.AppendString(dst, h.Origin)
	dst = append(dst, `,"log":`...)
	dst = jcs.AppendBase64(dst, h.Log[:])
	dst = append(dst, `,"first_index":`...)
	dst = strconv.AppendUint(dst, h.FirstIndex, 10)
	dst = append(dst, `,"frontier":[`...)
	for i, hash := range h.Frontier {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jcs.AppendBase64(dst, hash[:])
	}
	dst = append(dst, `],"created":"`...)
	dst = h.Created.UTC().AppendFormat(dst, timestamp.Layout)
	dst = append(dst, `","scope":`...)
	dst = jcs.AppendString(dst, string(h.Scope))
	dst = append(dst, `,"features":[`...)
	for i, f := range h.Features {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jcs.AppendString(dst, f)
	}
	dst = append(dst, `],"min_age":`...)
	dst = strconv.AppendInt(dst, int64(h.MinAge/time.Second), 10)
	dst = append(dst, `,"retain":"`...)
	dst = h.Retain.UTC().AppendFormat(dst, timestamp.Layout)
	dst = append(dst, `","keys":[`...)
	for i, k := range h.Keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = jcs.AppendString(dst, k.ID)
		dst = append(dst, `,"algorithm":`...)
		dst = jcs.AppendString(dst, string(k.Algorithm))
		dst = append(dst, `,"public_key":`...)
		dst = jcs.AppendBase64(dst, k.PublicKey)
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if p := h.Succeeds; p != nil {
		dst = append(dst, `,"succeeds":{"log":`...)
		dst = jcs.AppendBase64(dst, p.Log[:])
		dst = append(dst, `,"size":`...)
		dst = strconv.AppendUint(dst, p.Size, 10)
		dst = append(dst, `,"root":`...)
		dst = jcs.AppendBase64(dst, p.Root[:])
		dst = append(dst, '}')
	}
	return append(dst, "}}"...)
}

// headerJSON is the wire form of a header.
type headerJSON struct {
	Segment struct {
		Format     string            `json:"format"`
		Origin     string            `json:"origin"`
		Log        []byte            `json:"log"`
		FirstIndex uint64            `json:"first_index"`
		Frontier   [][]byte          `json:"frontier"`
		Created    string            `json:"created"`
		Scope      segline.Scope     `json:"scope"`
		Features   []segline.Feature `json:"features"`
		MinAge     int64             `json:"min_age"`
		Retain     string            `json:"retain"`
		Keys       []struct {
			ID        string            `json:"id"`
			Algorithm signing.Algorithm `json:"algorithm"`
			PublicKey []byte            `json:"public_key"`
		} `json:"keys"`
		Succeeds *struct {
			Log  []byte `json:"log"`
			Size uint64 `json:"size"`
			Root []byte `json:"root"`
		} `json:"succeeds"`
	} `json:"segment"`
}

const (
	// maxHeaderBytes is far above what a header of 64 frontier hashes and as many keys
	// takes.
	maxHeaderBytes = 64 << 10
	maxKeys        = 64
	maxFeatures    = 64
)

// ParseHeader parses a header line. It accepts only the bytes that
// [Header.AppendTo] would write for what it returns. The keys' encoding is
// checked, their ids too; whether to trust them is the caller's to decide.
//
// If the header names a format or a feature that this version does not know, the error
// wraps [ErrNewer], and of the header Origin, Log, FirstIndex, Frontier, Created, Features
// and Keys are set.
func ParseHeader(line []byte) (Header, error) {
	if len(line) > maxHeaderBytes {
		return Header{}, fmt.Errorf("header line has %d bytes, more than %d", len(line), maxHeaderBytes)
	}
	var in headerJSON
	if err := json.Unmarshal(line, &in); err != nil {
		return Header{}, fmt.Errorf("header line: %w", err)
	}
	h, err := in.header()
	if err != nil {
		return Header{}, fmt.Errorf("header line: %w", err)
	}
	if in.Segment.Format != segline.Format {
		return h, fmt.Errorf("header line: %w: its format is %q, and this version reads %q", ErrNewer, in.Segment.Format, segline.Format)
	}
	for _, f := range h.Features {
		if !slices.Contains(known, f) {
			return h, fmt.Errorf("header line: %w: this version does not know the feature %q", ErrNewer, f)
		}
	}
	if err := in.complete(&h); err != nil {
		return Header{}, fmt.Errorf("header line: %w", err)
	}
	if !bytes.Equal(h.AppendTo(nil), line) {
		return Header{}, errors.New("header line is not in the form this format demands (members and their order, spacing, escapes, base64 or trailing bytes)")
	}
	return h, nil
}

// header returns what a reader of any version needs to follow the tree.
func (in *headerJSON) header() (h Header, err error) {
	s := &in.Segment
	if s.Format == "" {
		return h, errors.New("it names no format")
	}
	if s.FirstIndex > segline.MaxIndex {
		return h, fmt.Errorf("first_index %d is above %d", s.FirstIndex, uint64(segline.MaxIndex))
	}
	if len(s.Keys) == 0 || len(s.Keys) > maxKeys {
		return h, fmt.Errorf("it names %d keys; 1 to %d are allowed", len(s.Keys), maxKeys)
	}
	if err := signednote.ValidateOrigin(s.Origin); err != nil {
		return h, err
	}
	if len(s.Log) != len(h.Log) {
		return h, fmt.Errorf("log has %d bytes, not %d", len(s.Log), len(h.Log))
	}
	h = Header{Origin: s.Origin, Log: signing.LogID(s.Log), FirstIndex: s.FirstIndex, Features: s.Features}
	if err := checkFeatures(s.Features); err != nil {
		return h, err
	}
	for _, b := range s.Frontier {
		if len(b) != len(merkle.Hash{}) {
			return h, fmt.Errorf("a frontier hash has %d bytes", len(b))
		}
		h.Frontier = append(h.Frontier, merkle.Hash(b))
	}
	if _, err := merkle.NewFrontier(h.FirstIndex, h.Frontier); err != nil {
		return h, err
	}
	if h.Created, err = time.Parse(timestamp.Layout, s.Created); err != nil {
		return h, fmt.Errorf("created: %w", err)
	}
	for _, k := range s.Keys {
		public, err := signing.ParsePublicKeyDER(k.PublicKey)
		if err != nil {
			return h, fmt.Errorf("key %q: %w", k.ID, err)
		}
		if public.ID() != k.ID || public.Algorithm() != k.Algorithm {
			return h, fmt.Errorf("key %q says %s, but its public_key is %s of algorithm %s", k.ID, k.Algorithm, public.ID(), public.Algorithm())
		}
		one := segline.Key{ID: k.ID, Algorithm: k.Algorithm, PublicKey: k.PublicKey}
		if slices.ContainsFunc(h.Keys, func(other segline.Key) bool { return bytes.Equal(other.PublicKey, one.PublicKey) }) {
			return h, fmt.Errorf("key %q is there twice", k.ID)
		}
		h.Keys = append(h.Keys, one)
	}
	return h, nil
}

func checkFeatures(features []segline.Feature) error {
	if len(features) > maxFeatures {
		return fmt.Errorf("it names %d features, more than %d", len(features), maxFeatures)
	}
	for i, f := range features {
		if len(f) == 0 || len(f) > 32 || strings.Trim(f, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return fmt.Errorf("%.40q is not the name of a feature", f)
		}
		if i > 0 && f <= features[i-1] {
			return errors.New("its features are not sorted, or one is there twice")
		}
	}
	return nil
}

// complete adds what is particular to this version.
func (in *headerJSON) complete(h *Header) (err error) {
	s := &in.Segment
	if h.Scope = s.Scope; h.Scope != segline.ScopeEvent && h.Scope != segline.ScopeCheckpoint {
		return fmt.Errorf("scope %q; there are %q and %q", s.Scope, segline.ScopeEvent, segline.ScopeCheckpoint)
	}
	if s.MinAge < 0 || s.MinAge > int64(segline.MaxMinAge/time.Second) {
		return fmt.Errorf("min_age of %d seconds", s.MinAge)
	}
	h.MinAge = time.Duration(s.MinAge) * time.Second
	if h.Retain, err = time.Parse(timestamp.Layout, s.Retain); err != nil {
		return fmt.Errorf("retain: %w", err)
	}
	p := s.Succeeds
	if p == nil {
		return nil
	}
	if h.FirstIndex != 0 {
		return errors.New("only the first header of a log may say what the log succeeds")
	}
	if len(p.Log) != len(h.Log) || len(p.Root) != len(merkle.Hash{}) || p.Size > segline.MaxIndex {
		return errors.New("what it says of the log that it succeeds is malformed")
	}
	h.Succeeds = &segline.Predecessor{Log: signing.LogID(p.Log), Size: p.Size, Root: merkle.Hash(p.Root)}
	return nil
}
