// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package receiptline writes the lines that receipts are (docs/receipts.md): one by one, and those
// of a commit, which have nearly everything in common. It is the only place that knows their form.
package receiptline

import (
	"bytes"
	"encoding/base64"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/jcs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Fields are what a line holds: those of a receipt.Receipt, which tells of each.
type Fields struct {
	EventID    string
	Index      uint64
	LeafHash   merkle.Hash
	Path       []merkle.Hash
	IDPath     []merkle.Hash
	Commit     []byte
	CommitPath []merkle.Hash
	Checkpoint []byte
}

const (
	// MaxEventID is how many bytes an id may have that a receipt repeats.
	MaxEventID = 1024
	// MaxPath is how many hashes a path may have.
	MaxPath = 63

	// lineStart is how a receipt's line begins. The format is that of the log.
	lineStart       = `{"receipt":"` + segline.Format + `","origin":`
	pathStart       = `,"path":[`
	idPathStart     = `],"id_path":[`
	commitPathStart = `,"commit_path":[`
)

// Is reports whether a line begins as [Append] writes it.
func Is(line []byte) bool { return bytes.HasPrefix(line, []byte(lineStart)) }

// Append appends a line, without LF: an object in JSON. The checkpoint must be one.
func Append(dst []byte, f *Fields) []byte {
	dst = appendMembers(appendStart(dst, f.Checkpoint), []byte(f.EventID), f.Index)
	dst = appendHash(dst, f.LeafHash)
	dst = appendHashes(append(dst, pathStart...), f.Path)
	dst = appendHashes(append(dst, idPathStart...), f.IDPath)
	dst = appendCommit(dst, f.Commit)
	dst = appendHashes(append(dst, commitPathStart...), f.CommitPath)
	return appendEnd(dst, f.Checkpoint)
}

// appendHashes appends hashes with commas between them.
func appendHashes(dst []byte, hashes []merkle.Hash) []byte {
	for i, h := range hashes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendHash(dst, h)
	}
	return dst
}

func appendHash(dst []byte, h merkle.Hash) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, h[:])
	return append(dst, '"')
}

// named reports whether a receipt holds an id.
func named(id []byte) bool { return len(id) > 0 && len(id) <= MaxEventID }

// appendStart appends how the receipts with a checkpoint begin.
func appendStart(dst, checkpoint []byte) []byte {
	return jcs.AppendString(append(dst, lineStart...), Origin(checkpoint))
}

// Origin returns the first line of a checkpoint.
func Origin(checkpoint []byte) []byte {
	origin, _, _ := bytes.Cut(checkpoint, []byte("\n"))
	return origin
}

// appendMembers appends what follows, up to the leaf's hash.
func appendMembers(dst, id []byte, index uint64) []byte {
	if named(id) {
		dst = append(dst, `,"event_id":`...)
		dst = jcs.AppendString(dst, id)
	}
	dst = append(dst, `,"index":`...)
	dst = strconv.AppendUint(dst, index, 10)
	return append(dst, `,"leaf_hash":`...)
}

// appendCommit appends what follows the hashes of the id's path.
func appendCommit(dst, commit []byte) []byte {
	return jcs.AppendString(append(dst, `],"commit":`...), commit)
}

// appendEnd appends what follows the hashes of the commit's path.
func appendEnd(dst, checkpoint []byte) []byte {
	dst = jcs.AppendString(append(dst, `],"checkpoint":`...), checkpoint)
	return append(dst, '}')
}
