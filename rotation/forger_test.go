// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// forger rewrites segments as well as anybody can who has a private key.
type forger struct {
	t     *testing.T
	thief *signing.Signer
	named bool
	tree  merkle.Frontier
	begun bool
	id    signing.LogID
	name  segment.Name
}

// segment returns a segment's content and name, forged; change says to change an event.
func (w *forger) segment(path string, change bool) (out []byte, name string) {
	w.t.Helper()
	r, err := segment.Open(os.DirFS(filepath.Dir(path)), filepath.Base(path), -1)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	if w.name, err = segment.ParseName(filepath.Base(path)); err != nil {
		w.t.Fatal(err)
	}
	for {
		line, err := r.Next()
		if err != nil {
			return out, w.name.String()
		}
		line = bytes.Clone(line)
		switch segment.KindOf(line) {
		case segment.KindHeader:
			line = w.header(line)
			w.tree.Append(merkle.LeafHash(line))
		case segment.KindEvent:
			parsed, err := segment.ParseEvent(line)
			if err != nil {
				w.t.Fatal(err)
			}
			canonical := parsed.Canonical
			if w.named && (bytes.Contains(canonical, []byte(`"action":"key_changed"`)) || bytes.Contains(canonical, []byte(`"action":"rotated"`))) {
				continue // the log has had one key for ever, and need not speak of its past
			}
			if change && bytes.Contains(canonical, []byte("something happened")) {
				canonical = bytes.Replace(canonical, []byte("something happened"), []byte("nothing happened"), 1)
				change = false
			}
			line = append(segment.AppendEventStart(nil), canonical...)
			if parsed.Form == segment.FormSigned {
				signature, err := w.thief.SignEvent(signing.NewEventContext(origin, w.id), canonical)
				if err != nil {
					w.t.Fatal(err)
				}
				id := parsed.KeyID
				if w.named {
					id = w.thief.Public().ID()
				}
				line = segment.AppendSignature(line, signature, id)
			} else {
				line = segment.AppendNoSignature(line)
			}
			w.tree.Append(merkle.LeafHash(line))
		case segment.KindCommit:
			w.tree.Append(merkle.LeafHash(line))
		case segment.KindCheckpoint:
			note, err := signing.SignCheckpoint(origin, w.tree.Size(), w.tree.Root(), w.thief)
			if err != nil {
				w.t.Fatal(err)
			}
			line = segment.AppendCheckpoint(nil, note)
		}
		out = append(append(out, line...), '\n')
	}
}

func (w *forger) header(line []byte) []byte {
	h, err := segment.ParseHeader(line)
	if err != nil {
		w.t.Fatal(err)
	}
	if !w.begun {
		if w.tree, err = merkle.NewFrontier(h.FirstIndex, h.Frontier); err != nil {
			w.t.Fatal(err)
		}
		w.begun = true
	}
	w.id = h.Log
	h.Frontier = w.tree.Hashes()
	h.FirstIndex = w.tree.Size()
	w.name.FirstIndex = h.FirstIndex
	if w.named {
		h.Keys = []segment.Key{segment.KeyOf(w.thief.Public())}
	}
	return segment.AppendHeader(nil, h)
}
