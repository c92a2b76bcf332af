// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receiptline

import (
	"bytes"
	"encoding/base64"
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/merkle"
)

// Parse parses a line as [Append] writes it, unless that has escapes other than those of a
// checkpoint: nearly all lines are such, and need no reader of JSON. It returns nil for any other
// line.
func Parse(line []byte) *Fields {
	rest, ok := bytes.CutPrefix(line, []byte(lineStart+`"`))
	if !ok {
		return nil
	}
	_, rest, _ = bytes.Cut(rest, []byte(`"`)) // the origin: the checkpoint has it
	var r Fields
	if id, ok := bytes.CutPrefix(rest, []byte(`,"event_id":"`)); ok {
		id, rest, _ = bytes.Cut(id, []byte(`"`))
		r.EventID = string(id)
	}
	rest, _ = bytes.CutPrefix(rest, []byte(`,"index":`))
	index, rest, _ := bytes.Cut(rest, []byte(`,`))
	var err error
	if r.Index, err = strconv.ParseUint(string(index), 10, 64); err != nil {
		return nil
	}
	rest, _ = bytes.CutPrefix(rest, []byte(`"leaf_hash":`))
	if r.LeafHash, rest, ok = cutHash(rest); !ok {
		return nil
	}
	rest, _ = bytes.CutPrefix(rest, []byte(pathStart))
	if r.Path, rest, ok = cutHashes(rest); !ok {
		return nil
	}
	rest, _ = bytes.CutPrefix(rest, []byte(idPathStart))
	if r.IDPath, rest, ok = cutHashes(rest); !ok {
		return nil
	}
	rest, _ = bytes.CutPrefix(rest, []byte(`],"commit":"`))
	commit, rest, _ := bytes.Cut(rest, []byte(`"`+commitPathStart))
	r.Commit = bytes.ReplaceAll(commit, []byte(`\"`), []byte(`"`))
	if r.CommitPath, rest, ok = cutHashes(rest); !ok {
		return nil
	}
	rest, _ = bytes.CutPrefix(rest, []byte(`],"checkpoint":"`))
	rest, _ = bytes.CutSuffix(rest, []byte(`"}`))
	r.Checkpoint = bytes.ReplaceAll(rest, []byte(`\n`), []byte("\n"))
	// Whatever is amiss, the line is then another than what is written for this receipt.
	if !bytes.Equal(Append(make([]byte, 0, len(line)), &r), line) {
		return nil
	}
	return &r
}

// cutHashes takes hashes with commas between them from the beginning.
func cutHashes(b []byte) (hashes []merkle.Hash, rest []byte, ok bool) {
	for len(b) > 0 && b[0] != ']' && len(hashes) < MaxPath {
		var h merkle.Hash
		if h, b, ok = cutHash(b); !ok {
			return nil, nil, false
		}
		if hashes = append(hashes, h); len(b) > 0 && b[0] == ',' {
			b = b[1:]
		}
	}
	return hashes, b, true
}

// cutHash takes a hash, in quotes, from the beginning.
func cutHash(b []byte) (h merkle.Hash, rest []byte, ok bool) {
	const length = len(text{}) - 1
	if len(b) < length {
		return h, nil, false
	}
	var into [48]byte // what 44 digits may stand for, and more
	n, err := base64.StdEncoding.Decode(into[:], b[1:length-1])
	return merkle.Hash(into[:32]), b[length:], err == nil && n == len(h)
}
