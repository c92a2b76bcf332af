// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receipt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/receiptline"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Receipt says where an event stands in a log. Nothing but the checkpoint is signed: see
// [Receipt.Check].
type Receipt struct {
	// EventID is the event's id, or "" if that has more than 1,024 bytes.
	EventID string
	// Index is the index of the event's leaf, LeafHash its hash.
	Index    uint64
	LeafHash merkle.Hash
	// Path is the inclusion proof (RFC 6962, section 2.1.1) to the checkpoint.
	Path []merkle.Hash
	// IDPath is the inclusion proof of the id in the tree of the commit's ids; it is empty
	// if there is no EventID.
	IDPath []merkle.Hash
	// Commit is the line of the commit that wrote the event, the last leaf of the
	// checkpoint's tree, which binds the ids of its events. CommitPath is its inclusion
	// proof.
	Commit     []byte
	CommitPath []merkle.Hash
	// Checkpoint is a signed note (c2sp.org/tlog-checkpoint) over a tree with that leaf.
	Checkpoint []byte
}

// MaxBytes is far above the length of any receipt's line.
const MaxBytes = 64 << 10

// Append appends the receipt's line, without LF: an object in JSON. The checkpoint must
// be one.
func (r *Receipt) Append(dst []byte) []byte {
	return receiptline.Append(dst, (*receiptline.Fields)(r))
}

// wire is a receipt as JSON has it.
type wire struct {
	Format, Origin, EventID string
	Index                   json.RawMessage
	LeafHash                []byte
	Path, IDPath            [][]byte
	Commit                  string
	CommitPath              [][]byte
	Checkpoint              string
}

// decode reads an object. Other than [json.Unmarshal] it takes no name for another that
// differs in case, and no member twice: readers would differ on what such a receipt says.
func (w *wire) decode(line []byte) error {
	members := map[string]any{
		"receipt": &w.Format, "origin": &w.Origin, "event_id": &w.EventID, "index": &w.Index,
		"leaf_hash": &w.LeafHash, "path": &w.Path, "id_path": &w.IDPath,
		"commit": &w.Commit, "commit_path": &w.CommitPath, "checkpoint": &w.Checkpoint,
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
// another order, and more may have been added, which are passed over. The form of the
// checkpoint and of the commit line is checked, and that the checkpoint covers the index;
// nothing else is.
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
	r := (*Receipt)(receiptline.Parse(line))
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
	case c.Size > segline.MaxIndex+1 || r.Index >= c.Size:
		return nil, fmt.Errorf("its checkpoint over %d leaves does not cover leaf %d", c.Size, r.Index)
	case r.EventID == "" && len(r.IDPath) > 0:
		return nil, errors.New("it has an id_path, but no event_id")
	}
	_, err = r.bound()
	return r, err
}

// bound returns what the commit line binds of the ids of its events.
func (r *Receipt) bound() (ids segline.IDs, _ error) {
	commit, err := segment.ParseCommit(r.Commit)
	switch {
	case err != nil:
		return ids, err
	case commit.IDs == nil:
		return ids, errors.New("its commit does not bind the ids of its events")
	}
	return *commit.IDs, nil
}

// receipt returns the receipt that the members are.
func (w *wire) receipt() (*Receipt, error) {
	switch {
	case w.Format != segline.Format:
		return nil, fmt.Errorf("it is of the form %.40q; this version reads %q", w.Format, segline.Format)
	case len(w.EventID) > receiptline.MaxEventID:
		return nil, fmt.Errorf("its event_id has %d bytes, more than %d", len(w.EventID), receiptline.MaxEventID)
	case len(w.LeafHash) != len(merkle.Hash{}):
		return nil, fmt.Errorf("its leaf_hash has %d bytes", len(w.LeafHash))
	}
	r := &Receipt{EventID: w.EventID, LeafHash: merkle.Hash(w.LeafHash), Commit: []byte(w.Commit), Checkpoint: []byte(w.Checkpoint)}
	var err error
	if r.Index, err = strconv.ParseUint(string(w.Index), 10, 64); err != nil {
		return nil, fmt.Errorf("its index is %.40q", w.Index)
	}
	for _, path := range []struct {
		name string
		in   [][]byte
		out  *[]merkle.Hash
	}{{"path", w.Path, &r.Path}, {"id_path", w.IDPath, &r.IDPath}, {"commit_path", w.CommitPath, &r.CommitPath}} {
		if len(path.in) > receiptline.MaxPath {
			return nil, fmt.Errorf("its %s has %d hashes, more than %d", path.name, len(path.in), receiptline.MaxPath)
		}
		for _, h := range path.in {
			if len(h) != len(merkle.Hash{}) {
				return nil, fmt.Errorf("a hash in its %s has %d bytes", path.name, len(h))
			}
			*path.out = append(*path.out, merkle.Hash(h))
		}
	}
	if origin := receiptline.Origin(r.Checkpoint); w.Origin != string(origin) {
		return nil, fmt.Errorf("its origin is %q, but that of its checkpoint is %.200q", w.Origin, origin)
	}
	return r, nil
}

// errUnproven: the hashes of a receipt do not lead from what it says to its checkpoint.
var errUnproven = errors.New("its hashes do not lead to its checkpoint")

// Check checks that the leaf is in the tree of the checkpoint, which it returns, that the
// commit is its last leaf, and that this binds the event's id to that leaf. An error says that the
// receipt does not prove what it says. That a trusted key has signed the checkpoint is left to
// [signing.OpenCheckpoint].
func (r *Receipt) Check() (signing.Checkpoint, error) {
	c, err := signing.ParseCheckpoint(r.Checkpoint)
	if err != nil {
		return c, err
	}
	if r.Index >= c.Size || c.Size > segline.MaxIndex+1 || !leads(r.Path, r.LeafHash, r.Index, c.Size, c.Root) {
		return c, fmt.Errorf("%w: the path of its leaf", errUnproven)
	}
	if !leads(r.CommitPath, merkle.LeafHash(r.Commit), c.Size-1, c.Size, c.Root) {
		return c, fmt.Errorf("%w: the path of its commit", errUnproven)
	}
	ids, err := r.bound()
	if err != nil {
		return c, fmt.Errorf("%w: %w", errUnproven, err)
	}
	// The events stand directly before the commit.
	last := c.Size - 1
	if ids.Count > last || r.Index >= last || r.Index < last-ids.Count {
		return c, fmt.Errorf("%w: the commit, leaf %d, is of %d events before it, and leaf %d is none of them", errUnproven, last, ids.Count, r.Index)
	}
	if r.EventID != "" && !leads(r.IDPath, merkle.LeafHash([]byte(r.EventID)), r.Index-(last-ids.Count), ids.Count, ids.Root) {
		return c, fmt.Errorf("%w: the path of its event_id, which is another than the leaf's", errUnproven)
	}
	return c, nil
}

// leads reports whether a path leads from a leaf to the root of a tree.
func leads(path []merkle.Hash, leaf merkle.Hash, index, size uint64, root [32]byte) bool {
	return tlog.CheckRecord(path, int64(size), root, int64(index), leaf) == nil
}
