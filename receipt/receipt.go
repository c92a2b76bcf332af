// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receipt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Receipt says where an event stands in a log. Nothing but the checkpoint is signed: see
// [Receipt.Check].
type Receipt struct {
	// EventID is the event's id, or "" if that has more than MaxEventID bytes. It is the
	// one thing that only the event itself can confirm.
	EventID string
	// Index is the index of the event's leaf, LeafHash its hash.
	Index    uint64
	LeafHash merkle.Hash
	// Path is the inclusion proof (RFC 6962, section 2.1.1) to the checkpoint.
	Path []merkle.Hash
	// Checkpoint is a signed note (c2sp.org/tlog-checkpoint) over a tree with that leaf.
	Checkpoint []byte
}

const (
	// MaxEventID is how many bytes an id may have that a receipt repeats.
	MaxEventID = 1024
	// MaxBytes is far above the length of any receipt.
	MaxBytes = 64 << 10

	// lineStart is how a receipt's line begins. The format is that of the log.
	lineStart = `{"receipt":"` + segment.Format + `","origin":`
	maxPath   = 63
)

// Append appends the receipt's line, without LF: an object in JSON. The checkpoint must
// be one.
func (r *Receipt) Append(dst []byte) []byte {
	dst = appendMembers(appendStart(dst, r.Checkpoint), []byte(r.EventID), r.Index)
	dst = appendHash(dst, r.LeafHash)
	dst = append(dst, pathStart...)
	for i, h := range r.Path {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendHash(dst, h)
	}
	return appendEnd(dst, r.Checkpoint)
}

func appendHash(dst []byte, h merkle.Hash) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, h[:])
	return append(dst, '"')
}

// IsLine reports whether a line begins as [Receipt.Append] writes it.
func IsLine(line []byte) bool { return bytes.HasPrefix(line, []byte(lineStart)) }

// wire is a receipt as JSON has it.
type wire struct {
	Format, Origin, EventID string
	Index                   json.RawMessage
	LeafHash                []byte
	Path                    [][]byte
	Checkpoint              string
}

// decode reads an object. Other than [json.Unmarshal] it takes no name for another that
// differs in case, and no member twice: readers would differ on what such a receipt says.
func (w *wire) decode(line []byte) error {
	members := map[string]any{
		"receipt": &w.Format, "origin": &w.Origin, "event_id": &w.EventID, "index": &w.Index,
		"leaf_hash": &w.LeafHash, "path": &w.Path, "checkpoint": &w.Checkpoint,
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return errors.New("it is no object in JSON")
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // nothing else can stand there
		into, ours := members[name]
		switch {
		case !ours:
			into = new(json.RawMessage)
		case into == nil:
			return fmt.Errorf("it has the member %s twice", name)
		default:
			members[name] = nil
		}
		if err := dec.Decode(into); err != nil {
			return fmt.Errorf("its member %.40q: %w", name, err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("it is cut off: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows it")
	}
	return nil
}

// Parse parses a receipt. On its way to who holds it its members may have been put in
// another order, and more may have been added, which are passed over. The checkpoint's
// form is checked, and that it covers the index; nothing else is.
func Parse(line []byte) (*Receipt, error) {
	r, err := parse(line)
	if err != nil {
		return nil, fmt.Errorf("not a receipt: %w", err)
	}
	return r, nil
}

func parse(line []byte) (*Receipt, error) {
	if len(line) > MaxBytes {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(line), MaxBytes)
	}
	if !utf8.Valid(line) {
		return nil, errors.New("it is not UTF-8")
	}
	r := parseWritten(line)
	if r == nil {
		var in wire
		if err := in.decode(line); err != nil {
			return nil, err
		}
		var err error
		if r, err = in.receipt(); err != nil {
			return nil, err
		}
	}
	c, err := signing.ParseCheckpoint(r.Checkpoint)
	switch {
	case err != nil:
		return nil, err
	case c.Size > segment.MaxIndex+1 || r.Index >= c.Size:
		return nil, fmt.Errorf("its checkpoint over %d leaves does not cover leaf %d", c.Size, r.Index)
	}
	return r, nil
}

// receipt returns the receipt that the members are.
func (w *wire) receipt() (*Receipt, error) {
	switch {
	case w.Format != segment.Format:
		return nil, fmt.Errorf("it is of the form %.40q; this version reads %q", w.Format, segment.Format)
	case len(w.EventID) > MaxEventID:
		return nil, fmt.Errorf("its event_id has %d bytes, more than %d", len(w.EventID), MaxEventID)
	case len(w.LeafHash) != len(merkle.Hash{}):
		return nil, fmt.Errorf("its leaf_hash has %d bytes", len(w.LeafHash))
	case len(w.Path) > maxPath:
		return nil, fmt.Errorf("its path has %d hashes, more than %d", len(w.Path), maxPath)
	}
	r := &Receipt{EventID: w.EventID, LeafHash: merkle.Hash(w.LeafHash), Checkpoint: []byte(w.Checkpoint)}
	var err error
	if r.Index, err = strconv.ParseUint(string(w.Index), 10, 64); err != nil {
		return nil, fmt.Errorf("its index is %.40q", w.Index)
	}
	for _, h := range w.Path {
		if len(h) != len(merkle.Hash{}) {
			return nil, fmt.Errorf("a hash in its path has %d bytes", len(h))
		}
		r.Path = append(r.Path, merkle.Hash(h))
	}
	if origin := originOf(r.Checkpoint); w.Origin != string(origin) {
		return nil, fmt.Errorf("its origin is %q, but that of its checkpoint is %.200q", w.Origin, origin)
	}
	return r, nil
}

// ErrUnproven: a receipt's path does not lead from its leaf to its checkpoint.
var ErrUnproven = errors.New("its path does not lead from its leaf to its checkpoint")

// Check checks that the leaf is in the tree of the checkpoint, which it returns. That a
// trusted key has signed the checkpoint is left to [signing.OpenCheckpoint], and that
// the leaf is the event that the receipt names, to whoever has the event.
func (r *Receipt) Check() (signing.Checkpoint, error) {
	c, err := signing.ParseCheckpoint(r.Checkpoint)
	if err != nil {
		return c, err
	}
	path := make([]tlog.Hash, len(r.Path))
	for i, h := range r.Path {
		path[i] = tlog.Hash(h)
	}
	if r.Index >= c.Size || c.Size > segment.MaxIndex+1 || tlog.CheckRecord(path, int64(c.Size), tlog.Hash(c.Root), int64(r.Index), tlog.Hash(r.LeafHash)) != nil {
		return c, ErrUnproven
	}
	return c, nil
}
