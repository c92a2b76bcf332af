// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Inclusion is the proof that a line is a leaf of a log.
type Inclusion struct {
	// Line is the leaf, without LF.
	Line []byte
	// Log is the id of the log, which the signature of an event covers.
	Log signing.LogID
	// KeyChanges are the signed notes that lead from the log's first key to the one
	// that signed the checkpoint, the oldest first.
	KeyChanges [][]byte
	// KeyChangePath is the leaf's audit path in the tree of the first of them behind the
	// leaf, which the key signed that the log had at the leaf; nil if there is none.
	KeyChangePath []tlog.Hash
	// Commit is the line of the commit that the leaf is part of, without LF, and CommitIndex
	// its leaf index. CommitPath is its audit path in the tree of that key change, or, if
	// there is none, of the checkpoint.
	Commit      []byte
	CommitIndex uint64
	CommitPath  []tlog.Hash
	// Index is the leaf's index, Path its audit path (RFC 6962, section 2.1.1).
	Index uint64
	Path  []tlog.Hash
	// Checkpoint is the signed note over the tree.
	Checkpoint []byte
}

const (
	title       = "c2sp.org/tlog-proof@v1\n"
	extraStart  = "extra "
	indexStart  = "index "
	maxPath     = 63
	maxNote     = 1 << 20
	maxExtra    = segline.MaxBytes + 64<<20 // the line, and a hundred thousand key changes
	maxInFile   = maxExtra/3*4 + maxNote + 64<<10
	hashEncoded = 44
)

// MaxBytes is the size of the largest proof that [Parse] takes.
const MaxBytes = maxInFile

// Marshal returns the proof's text (c2sp.org/tlog-proof). Its extra data are the line, the
// log's id, the key changes in the form of the file of that name, the path to the first one
// after the leaf, the commit line and its path, each on a line of its own, ended by LF.
func (p *Inclusion) Marshal() []byte {
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

// WriteTo writes what [Inclusion.Marshal] returns, with no copy of it in memory.
func (p *Inclusion) WriteTo(w io.Writer) (int64, error) {
	out := &countingWriter{w: w}
	out.Write([]byte(title + extraStart)) // out keeps the errors
	extra := base64.NewEncoder(base64.StdEncoding, out)
	extra.Write(p.Line)
	extra.Write([]byte("\n" + logStart + p.Log.String() + logEnd))
	for _, note := range p.KeyChanges {
		extra.Write(append(sidefile.AppendKeyChange(nil, note), '\n'))
	}
	if len(p.KeyChangePath) > 0 {
		extra.Write(append(appendPath([]byte(pathStart), p.KeyChangePath), '\n'))
	}
	extra.Write(p.Commit)
	text := strconv.AppendUint([]byte("\n"+commitStart), p.CommitIndex, 10)
	extra.Write(append(appendPath(append(text, commitPathStart...), p.CommitPath), '\n'))
	extra.Close()
	text = append([]byte("\n"+indexStart), strconv.FormatUint(p.Index, 10)...)
	text = append(text, '\n')
	for _, h := range p.Path {
		text = base64.StdEncoding.AppendEncode(text, h[:])
		text = append(text, '\n')
	}
	out.Write(append(text, '\n'))
	out.Write(p.Checkpoint)
	return out.n, out.err
}

// countingWriter counts what has been written, up to the first error, which it keeps.
type countingWriter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *countingWriter) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.w.Write(p)
	c.n, c.err = c.n+int64(n), err
	return n, err
}

// ErrNone: a text does not begin as a proof does, so that there is nothing in it that could
// fail.
var ErrNone = fmt.Errorf("it does not begin with the line %q", strings.TrimSuffix(title, "\n"))

// errCut: a text begins as a proof does and ends before it is whole, as a copy that went
// wrong leaves it: no more can be said of it.
var errCut = errors.New("it is cut off, if only by the newline at its end: copy it again")

// Parse parses a proof's text. It accepts only what [Inclusion.Marshal] would write for
// what it returns, and checks nothing but the form.
func Parse(text []byte) (*Inclusion, error) {
	p, err := parse(text)
	if err == nil && !bytes.Equal(p.Marshal(), text) {
		err = errors.New("it is not in the one form that it can have")
	}
	if err != nil {
		return nil, fmt.Errorf("not a proof of a log event: %w", err)
	}
	return p, nil
}

func parse(text []byte) (*Inclusion, error) {
	if len(text) > maxInFile {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(text), maxInFile)
	}
	rest, ok := bytes.CutPrefix(text, []byte(title))
	if !ok {
		return nil, ErrNone
	}
	if text[len(text)-1] != '\n' {
		return nil, errCut
	}
	p := &Inclusion{}
	extra, rest, err := takeLine(rest, extraStart)
	if err != nil {
		return nil, err
	}
	if err := p.parseExtra(extra); err != nil {
		return nil, err
	}
	index, rest, err := takeLine(rest, indexStart)
	if err != nil {
		return nil, err
	}
	if p.Index, err = strconv.ParseUint(string(index), 10, 64); err != nil || p.Index > segline.MaxIndex {
		return nil, fmt.Errorf("bad index %.40q", index)
	}
	for len(rest) > 0 && rest[0] != '\n' {
		line, next, ok := bytes.Cut(rest, []byte("\n"))
		if !ok || len(line) != hashEncoded || len(p.Path) == maxPath {
			return nil, errors.New("its hashes are malformed, or too many")
		}
		h, err := tlog.ParseHash(string(line))
		if err != nil {
			return nil, errors.New("a hash is malformed")
		}
		p.Path = append(p.Path, h)
		rest = next
	}
	if len(rest) > maxNote {
		return nil, errors.New("its checkpoint is too large")
	}
	// A checkpoint is text, a blank line and at least one signature.
	if _, signatures, ok := bytes.Cut(rest, []byte("\n\n")); !ok || len(signatures) == 0 {
		return nil, errCut
	}
	p.Checkpoint = bytes.Clone(rest[1:])
	return p, nil
}

// takeLine cuts a line off that has a certain beginning.
func takeLine(text []byte, start string) (line, rest []byte, err error) {
	if len(text) == 0 {
		return nil, nil, errCut
	}
	line, rest, ok := bytes.Cut(text, []byte("\n"))
	if ok {
		line, ok = bytes.CutPrefix(line, []byte(start))
	}
	if !ok {
		return nil, nil, fmt.Errorf("a line %q is missing", start+"…")
	}
	return line, rest, nil
}

// The line with the log's id.
const (
	logStart = `{"log":"`
	logEnd   = `"}` + "\n"
)

// takeLog cuts the line with the log's id off.
func (p *Inclusion) takeLog(extra []byte) (rest []byte, err error) {
	encoded, ok := bytes.CutPrefix(extra, []byte(logStart))
	encoded, rest, ended := bytes.Cut(encoded, []byte(logEnd))
	if !ok || !ended || len(encoded) != hashEncoded {
		return nil, errors.New("the id of the log is missing or malformed")
	}
	id, err := base64.StdEncoding.Strict().DecodeString(string(encoded))
	if err != nil || len(id) != len(p.Log) {
		return nil, errors.New("the id of the log is malformed")
	}
	p.Log = signing.LogID(id)
	return rest, nil
}

// The lines with the path to a key change, and the commit's.
const (
	pathStart       = `{"key_change_path":["`
	commitStart     = `{"commit_index":`
	commitPathStart = `,"commit_path":["`
	pathEnd         = `"]}`
	pathComma       = `","`
)

// appendPath appends the hashes of a path and what ends its line.
func appendPath(dst []byte, path []tlog.Hash) []byte {
	for i, h := range path {
		if i > 0 {
			dst = append(dst, pathComma...)
		}
		dst = base64.StdEncoding.AppendEncode(dst, h[:])
	}
	return append(dst, pathEnd...)
}

// parsePath parses what [appendPath] appends.
func parsePath(list []byte) (path []tlog.Hash, err error) {
	for one := range bytes.SplitSeq(bytes.TrimSuffix(list, []byte(pathEnd)), []byte(pathComma)) {
		h, err := tlog.ParseHash(string(one))
		if err != nil || len(one) != hashEncoded || len(path) == maxPath {
			return nil, errors.New("a path is malformed, or too long")
		}
		path = append(path, h)
	}
	return path, nil
}

// parseExtra takes in what a proof has in its extra data.
func (p *Inclusion) parseExtra(encoded []byte) error {
	extra, err := base64.StdEncoding.Strict().AppendDecode(nil, encoded)
	if err != nil {
		return errors.New("the extra data is not base64")
	}
	line, rest, ok := bytes.Cut(extra, []byte("\n"))
	if !ok || len(line) == 0 || len(line) > segline.MaxBytes {
		return errors.New("the extra data does not begin with a line of a log")
	}
	p.Line = line
	if rest, err = p.takeLog(rest); err != nil {
		return fmt.Errorf("the extra data: %w", err)
	}
	next := func() (line []byte) {
		if err == nil {
			if line, rest, ok = bytes.Cut(rest, []byte("\n")); !ok {
				err = errors.New("the extra data is cut off")
			}
		}
		return line
	}
	line = next()
	for ; err == nil && !bytes.HasPrefix(line, []byte(pathStart)) && segment.KindOf(line) != segline.KindCommit; line = next() {
		var note []byte
		if note, err = sidefile.ParseKeyChange(line); err == nil {
			p.KeyChanges = append(p.KeyChanges, note)
		}
	}
	if list, ok := bytes.CutPrefix(line, []byte(pathStart)); ok && err == nil {
		if p.KeyChangePath, err = parsePath(list); err == nil {
			line = next()
		}
	}
	p.Commit = line
	line = next()
	if err == nil {
		err = p.parseCommitPath(line)
	}
	switch {
	case err != nil:
		return fmt.Errorf("the extra data: %w", err)
	case len(rest) > 0:
		return errors.New("something follows the extra data")
	}
	return nil
}

// parseCommitPath parses the line with the commit's index and path.
func (p *Inclusion) parseCommitPath(line []byte) (err error) {
	line, ok := bytes.CutPrefix(line, []byte(commitStart))
	index, list, found := bytes.Cut(line, []byte(commitPathStart))
	if !ok || !found {
		return errors.New("the path of the commit is missing")
	}
	if p.CommitIndex, err = strconv.ParseUint(string(index), 10, 64); err != nil || p.CommitIndex > segline.MaxIndex {
		return fmt.Errorf("bad index %.40q of the commit", index)
	}
	p.CommitPath, err = parsePath(list)
	return err
}
