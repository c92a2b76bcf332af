// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logtest

import (
	"testing"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// SignedLine returns an event line of a log, signed with a key.
func SignedLine(t testing.TB, origin string, log signing.LogID, canonical []byte, s *signing.Signer) []byte {
	t.Helper()
	signature, err := s.SignEvent(origin, log, canonical)
	if err != nil {
		t.Fatal(err)
	}
	return segline.AppendSignature(append(segline.AppendEventStart(nil), canonical...), signature, s.Public().ID())
}

// BareLine returns an event line without a signature.
func BareLine(canonical []byte) []byte {
	return append(segline.AppendNoSignature(append(segline.AppendEventStart(nil), canonical...)), '\n')
}

// OwnEvent returns the canonical JSON of an event of the log's own.
func OwnEvent(action, detail string) []byte {
	return ownevent.AppendOwn(nil, ownevent.Own{
		ID: "own-" + action, Time: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Origin: "test.example/auditlog",
		Level: event.LevelInfo, Action: action, Detail: []byte(detail),
	})
}

// KeyChange returns the note that introduces a segment with that header, and its line in the
// file of key changes.
func KeyChange(t testing.TB, h *segment.Header, from, to *signing.Signer, leaving ...*signing.Signer) (note []byte) {
	t.Helper()
	tree, err := merkle.NewFrontier(h.FirstIndex, h.Frontier)
	if err != nil {
		t.Fatal(err)
	}
	return SignKeyChange(t, signing.KeyChange{
		Origin: h.Origin, Log: h.Log, Index: h.FirstIndex, Root: tree.Root(), Header: merkle.LeafHash(h.AppendTo(nil)), Retain: h.Retain,
	}, from, to, leaving...)
}

func SignKeyChange(t testing.TB, c signing.KeyChange, from, to *signing.Signer, leaving ...*signing.Signer) []byte {
	t.Helper()
	note, err := signing.SignKeyChange(c, from, to, leaving...)
	if err != nil {
		t.Fatal(err)
	}
	return note
}
