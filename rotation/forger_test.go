// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
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
		case segline.KindHeader:
			line = w.header(line)
			w.tree.Append(merkle.LeafHash(line))
		case segline.KindEvent:
			parsed, err := segment.ParseEvent(nil, line)
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
			line = append(segline.AppendEventStart(nil), canonical...)
			if parsed.KeyID != "" {
				signature, err := w.thief.SignEvent(origin, w.id, canonical)
				if err != nil {
					w.t.Fatal(err)
				}
				id := parsed.KeyID
				if w.named {
					id = w.thief.Public().ID()
				}
				line = segline.AppendSignature(line, signature, id)
			} else {
				line = segline.AppendNoSignature(line)
			}
			w.tree.Append(merkle.LeafHash(line))
		case segline.KindCommit:
			w.tree.Append(merkle.LeafHash(line))
		case segline.KindCheckpoint:
			note, err := signing.SignCheckpoint(origin, w.tree.Size(), w.tree.Root(), w.thief)
			if err != nil {
				w.t.Fatal(err)
			}
			line = segline.AppendCheckpoint(nil, note)
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
		h.Keys = []segline.Key{segline.KeyOf(w.thief.Public())}
	}
	return h.AppendTo(nil)
}

// oldAndKept returns a segment's content with a commit of long ago and a promise to keep it
// longer, under checkpoints that fit. It leads to no tree that the log has signed, which only
// what follows it tells: as nothing is older than what follows it, all that was before would go.
func oldAndKept(t *testing.T, path string) (out []byte) {
	t.Helper()
	r, err := segment.Open(os.DirFS(filepath.Dir(path)), filepath.Base(path), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var tree merkle.Frontier
	thief := otherKey(t)
	for {
		line, err := r.Next()
		if err != nil {
			return out
		}
		switch segment.KindOf(line) {
		case segline.KindHeader:
			h, err := segment.ParseHeader(line)
			if err != nil {
				t.Fatal(err)
			}
			if tree, err = merkle.NewFrontier(h.FirstIndex, h.Frontier); err != nil {
				t.Fatal(err)
			}
			h.MinAge = 100 * 365 * 24 * time.Hour
			line = h.AppendTo(nil)
		case segline.KindCommit:
			c, err := segment.ParseCommit(line)
			if err != nil {
				t.Fatal(err)
			}
			c.Time = c.Time.AddDate(-25, 0, 0)
			line = segline.AppendCommit(nil, c.Number, c.Time, c.IDs)
		case segline.KindCheckpoint:
			note, err := signing.SignCheckpoint(origin, tree.Size(), tree.Root(), thief)
			if err != nil {
				t.Fatal(err)
			}
			out = append(segline.AppendCheckpoint(out, note), '\n')
			continue
		}
		tree.Append(merkle.LeafHash(line))
		out = append(append(out, line...), '\n')
	}
}
