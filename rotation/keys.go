// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// A segment is signed with one key from its header to its end. Keys, scope and features
// are changed together with the segment, in one commit: the new segment's header has them,
// its event key_changed holds a note with which the old key introduces that header, and if
// the key is another the commit's checkpoint is signed by both. A key that signed
// checkpoints besides, and is named no more, signs the note, too.

// SegmentKeys gives each segment a key of its own. [signing.RotatingKeyFile] is one.
type SegmentKeys interface {
	// Pending returns the key that Next has made and Advance has not made current
	// yet, or nil.
	Pending() *signing.Signer
	// Next returns the key of the next segment, which is durable then. It returns
	// the same until Advance.
	Next() (*signing.Signer, error)
	// Advance destroys the key before Pending. The log calls it when the change is
	// durable, and again if it failed.
	Advance() error
}

// ErrKeyChanged: the events of a batch are signed with a key that the log has gone
// over from. Nothing of the call was written; encode its events anew, with
// [Log.Signer].
var ErrKeyChanged = errors.New("the log has gone over to another signing key since the events were signed")

// Signer returns the key with which events are to be signed at present.
func (l *Log) Signer() *signing.Signer { return l.signer.Load() }

// candidates are the keys with which the newest segment may be signed.
func (l *Log) candidates() (c []*signing.Signer) {
	c = []*signing.Signer{l.opts.Signer}
	if s := l.opts.PreviousSigner; s != nil && !s.Public().Equal(l.opts.Signer.Public()) {
		c = append(c, s)
	}
	if l.opts.SegmentKeys != nil {
		if s := l.opts.SegmentKeys.Pending(); s != nil {
			c = append(c, s)
		}
	}
	return c
}

// goOnWith takes in the key that the newest segment is signed with.
func (l *Log) goOnWith(public *signing.PublicKey) error {
	all := l.candidates()
	i := slices.IndexFunc(all, func(s *signing.Signer) bool { return s.Public().Equal(public) })
	l.signer.Store(all[i])
	switch {
	case i == 0:
		return nil
	case all[i] == l.opts.PreviousSigner:
		l.successor = l.opts.Signer
		return nil
	default:
		l.unretired = true
		if err := l.retire(); err != nil {
			// No segment begins with another key before that is done.
			l.opts.Logger.Warn("The key that the audit log has gone over from cannot be destroyed yet; it will be tried again", zap.Error(err))
		}
		return nil
	}
}

// signerOfNext returns the key of a segment that begins now.
func (l *Log) signerOfNext() (*signing.Signer, error) {
	switch {
	case l.successor != nil:
		return l.successor, nil
	case l.opts.SegmentKeys == nil || len(l.segments) == 0:
		return l.Signer(), nil
	}
	if err := l.retire(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoNextKey, err)
	}
	next, err := l.opts.SegmentKeys.Next()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoNextKey, err)
	}
	return next, nil
}

// errNoNextKey: the key of the next segment cannot be written, or the one before it not be
// destroyed. That may pass, and is no reason not to open the log.
var errNoNextKey = errors.New("the next key cannot be made")

// changesKey reports whether a segment that begins now has another key than the one
// before it.
func (l *Log) changesKey() bool {
	return len(l.segments) > 0 && (l.successor != nil || l.opts.SegmentKeys != nil)
}

// headerKeys returns what a header says of the keys of a segment.
func (l *Log) headerKeys(signer *signing.Signer) (keys []segment.Key) {
	for _, s := range l.keysOf(signer) {
		keys = append(keys, segment.KeyOf(s.Public()))
	}
	return keys
}

func sameKeys(a, b []segment.Key) bool {
	return slices.EqualFunc(a, b, func(a, b segment.Key) bool { return bytes.Equal(a.PublicKey, b.PublicKey) })
}

// introduce has the present key introduce the header of a segment, if it differs from the
// header before in keys, scope or features. leaf is the header's leaf hash.
func (l *Log) introduce(c *change, leaf merkle.Hash) error {
	before, h := &l.header, &c.header
	if len(l.segments) == 0 || !changesKeys(before, h) {
		return nil
	}
	leaving, err := l.leaving(h.Keys)
	if err != nil {
		return err
	}
	reason := "segment"
	if c.signer == l.Signer() || l.successor != nil {
		reason = "configuration"
	}
	if c.signer != l.Signer() {
		c.previous = l.Signer()
	}
	c.keyChange, err = signing.SignKeyChange(signing.KeyChange{
		Origin: l.opts.Origin, Log: l.id, Index: l.tree.Size(), Root: l.tree.Root(), Header: leaf, Retain: h.Retain,
	}, l.Signer(), c.signer, leaving...)
	if err != nil {
		return err
	}
	c.says = append(c.says, logevent.Event{
		Action: logevent.KeyChanged, Reason: reason, KeyChange: string(c.keyChange),
		KeyID: c.signer.Public().ID(), PreviousKeyID: l.Signer().Public().ID(),
	})
	return nil
}

// leaving returns the signers of the checkpoint keys of the newest segment that keys do not
// name: each must sign the note with which it leaves.
func (l *Log) leaving(keys []segment.Key) (signers []*signing.Signer, err error) {
	for _, k := range l.header.Keys[1:] {
		is := func(s *signing.Signer) bool { return s != nil && bytes.Equal(s.Public().SPKI(), k.PublicKey) }
		if slices.ContainsFunc(keys, func(other segment.Key) bool { return bytes.Equal(other.PublicKey, k.PublicKey) }) {
			continue
		}
		if !is(l.opts.PreviousCheckpointSigner) {
			return nil, fmt.Errorf("%w: the key %s has signed the log's checkpoints so far, and the configuration names it no more: give it as the previous checkpoint key for the next start, or as the checkpoint key again; if its private key is lost, begin a new log elsewhere", ErrCheckpointKeyLeaves, k.ID)
		}
		signers = append(signers, l.opts.PreviousCheckpointSigner)
	}
	return signers, nil
}

// changed takes in a key change that is durable.
func (l *Log) changed(c *change) {
	l.unfiled = append(l.unfiled, c.keyChange)
	if c.previous != nil {
		l.opts.Logger.Info("The audit log goes on with another key",
			zap.String("key_id", c.signer.Public().ID()), zap.String("previous_key_id", c.previous.Public().ID()), zap.Stringer("segment", c.name))
		l.signer.Store(c.signer)
		l.unretired = l.successor == nil
		l.successor = nil
	}
	if err := l.keepKeys(); err != nil {
		l.opts.Logger.Warn("After a change of the audit log's key; it will be tried again", zap.Error(err))
	}
}

// keepKeys does what is left to do after a change of the key.
func (l *Log) keepKeys() error {
	return errors.Join(l.retire(), l.fileKeyChanges())
}

// retire destroys the key that the log has gone over from, if it is ours to destroy.
func (l *Log) retire() error {
	if !l.unretired {
		return nil
	}
	if err := l.opts.SegmentKeys.Advance(); err != nil {
		return err
	}
	l.unretired = false
	return nil
}

// fileKeyChanges appends what is new to the file of key changes.
func (l *Log) fileKeyChanges() error {
	if len(l.unfiled) == 0 {
		return nil
	}
	var lines []byte
	for _, note := range l.unfiled {
		lines = append(segment.AppendKeyChange(lines, note), '\n')
	}
	end, err := durable.Extend(l.dir, segment.KeyChangesName, l.filedChanges, durable.Bytes(lines))
	if errors.Is(err, fs.ErrNotExist) && l.filedChanges > 0 {
		l.filedChanges = 0 // somebody has removed it
		end, err = durable.Extend(l.dir, segment.KeyChangesName, 0, durable.Bytes(lines))
	}
	if errors.Is(err, durable.ErrShort) {
		return fmt.Errorf("%w: somebody has cut the file: the next start writes it anew: %w", ErrDamaged, err)
	}
	if err != nil {
		return err
	}
	l.filedChanges, l.unfiled = end, nil
	return nil
}

// loadKeyChanges reads the file of key changes, and finds in the segments what a crash has
// kept from being added. Each change is signed by the key that it goes over to, the last of
// them to the key that the newest segment is signed with: what does not lead there is not the
// log's work, and the file is written anew without it.
func (l *Log) loadKeyChanges() error {
	filed, err := l.readKeyChanges()
	if err != nil {
		return fmt.Errorf("read the file %s: %w", segment.KeyChangesName, err)
	}
	if len(l.segments) == 0 {
		if filed.bytes > 0 || filed.spoiled {
			return l.setAside(segment.KeyChangesName, "it is of another log")
		}
		return nil
	}
	if len(filed.changes) == 0 && !filed.spoiled {
		// Most logs never change their key: no need to look at each segment.
		oldest, err := l.readHeader(l.segments[0].name)
		if fromSystem(err) {
			return err
		}
		if err == nil && !changesKeys(&oldest, &l.header) {
			return nil
		}
	}
	heads, need, err := l.changesAfter(filed.last())
	if err != nil {
		return err
	}
	if c := filed.last(); c != nil && !bytes.Equal(c.To.SPKI(), need) {
		// What all segments say goes before what the file says.
		if heads, need, err = l.changesAfter(nil); err != nil {
			return err
		}
		for c := filed.last(); c != nil && (!bytes.Equal(c.To.SPKI(), need) || len(heads) > 0 && c.Index >= heads[0].Index); c = filed.last() {
			filed.drop()
		}
	}
	if c := filed.last(); c != nil {
		l.known = append(l.known, c.From, c.To)
	}
	for _, c := range heads {
		l.known = append(l.known, c.From)
		l.unfiled = append(l.unfiled, c.Note)
	}
	if filed.spoiled {
		if err := l.setAside(segment.KeyChangesName, "its lines do not lead to the key that signs the log"); err != nil {
			return err
		}
		if err := durable.Replace(l.dir, segment.KeyChangesName, durable.Private, durable.Bytes(filed.lines[:filed.bytes])); err != nil {
			return err
		}
	}
	l.filedChanges = filed.bytes
	if err := l.fileKeyChanges(); err != nil {
		// They are in the segments, too, which are not pruned before.
		l.opts.Logger.Warn("A change of the audit log's key cannot be filed yet; it will be tried again", zap.Error(err))
	}
	return nil
}

// changesKeys reports whether a header differs from one before it in what a key change
// introduces.
func changesKeys(before, h *segment.Header) bool {
	return !sameKeys(before.Keys, h.Keys) || before.Scope != h.Scope || !slices.Equal(before.Features, h.Features)
}

// filedChanges is the beginning of the file of key changes whose changes follow one another.
type filedChanges struct {
	lines   []byte
	bytes   int64 // of them, that are good
	changes []*signing.KeyChange
	ends    []int64 // of their lines
	// spoiled says that the file holds more, and that no crash explains it.
	spoiled bool
}

func (f *filedChanges) last() *signing.KeyChange {
	if len(f.changes) == 0 {
		return nil
	}
	return f.changes[len(f.changes)-1]
}

func (f *filedChanges) drop() {
	n := len(f.changes) - 1
	f.changes, f.ends, f.bytes, f.spoiled = f.changes[:n], f.ends[:n], 0, true
	if n > 0 {
		f.bytes = f.ends[n-1]
	}
}

// readKeyChanges reads the file. An unfinished line at its end is cut off.
func (l *Log) readKeyChanges() (filed filedChanges, err error) {
	f, err := l.dir.Edit(segment.KeyChangesName)
	if errors.Is(err, fs.ErrNotExist) {
		return filed, nil
	}
	if err != nil {
		return filed, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// A writer that was killed may have left its last line in the cache alone, and one
	// that could not sync it has left there what no later sync writes.
	f.Forget()
	if err := f.Sync(); err != nil {
		return filed, err
	}
	info, err := f.Stat()
	if err != nil {
		return filed, err
	}
	if filed.lines, err = io.ReadAll(io.NewSectionReader(f, 0, info.Size())); err != nil {
		return filed, err
	}
	for rest := filed.lines; ; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if !whole {
			break
		}
		c, err := parseKeyChange(line)
		if err != nil || !l.isNext(c, filed.last()) {
			filed.spoiled = true
			return filed, nil
		}
		filed.bytes += int64(len(line)) + 1
		filed.changes, filed.ends, rest = append(filed.changes, c), append(filed.ends, filed.bytes), after
	}
	if filed.bytes < info.Size() {
		return filed, errors.Join(f.Truncate(filed.bytes), f.Sync())
	}
	return filed, nil
}

func parseKeyChange(line []byte) (*signing.KeyChange, error) {
	note, err := segment.ParseKeyChange(line)
	if err != nil {
		return nil, err
	}
	c, err := signing.OpenKeyChange(note)
	return &c, err
}

// isNext reports whether a change may be the one after another, which is nil before the first.
func (l *Log) isNext(c, last *signing.KeyChange) bool {
	return c.Origin == l.opts.Origin && c.Log == l.id && c.Index < l.tree.Size() &&
		(last == nil || c.Index > last.Index && c.From.Equal(last.To))
}

// changesAfter returns the changes in the heads of segments after one, and the key that the
// first of them goes over from.
func (l *Log) changesAfter(last *signing.KeyChange) (heads []*signing.KeyChange, need []byte, err error) {
	need = l.header.Keys[0].PublicKey
	for _, s := range slices.Backward(l.segments) {
		if last != nil && s.name.FirstIndex <= last.Index {
			break
		}
		c, err := l.keyChange(s.name)
		if fromSystem(err) {
			return nil, nil, err
		}
		if err == nil && c != nil && (c.Index != s.name.FirstIndex || !l.isNext(c, nil) || !bytes.Equal(c.To.SPKI(), need)) {
			err = fmt.Errorf("%w: its key change does not lead to the key that signs the log", ErrDamaged)
		}
		if err != nil {
			// A damaged segment is for the verifier to find; the log goes on behind it.
			l.opts.Logger.Warn("A segment of the audit log cannot be searched for a change of the key", zap.Stringer("segment", s.name), zap.Error(err))
			continue
		}
		if c != nil {
			heads, need = slices.Insert(heads, 0, c), c.From.SPKI()
		}
	}
	return heads, need, nil
}

// keyChange returns the key change with which a segment begins, or nil.
func (l *Log) keyChange(name segment.Name) (*signing.KeyChange, error) {
	r, err := segment.Open(l.dir, name.String(), -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var line []byte
	for r.Line() < logevent.KeyChangedLine {
		line, err = r.Next()
		if err == io.EOF || errors.Is(err, segment.ErrPartialLine) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("look for a key change in %s: %w", name, err)
		}
	}
	parsed, err := segment.ParseEvent(line)
	if err != nil {
		return nil, nil
	}
	said, ok := logevent.In(parsed.Canonical)
	if !ok || said.Action != logevent.KeyChanged {
		return nil, nil
	}
	c, err := signing.OpenKeyChange([]byte(said.KeyChange))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrDamaged, err)
	}
	return &c, nil
}

// publicKeys are those whose signatures the checkpoint file may carry.
func (l *Log) publicKeys() []*signing.PublicKey {
	keys := []*signing.PublicKey{}
	for _, s := range l.candidates() {
		keys = append(keys, s.Public())
	}
	for _, k := range l.known {
		if !slices.ContainsFunc(keys, k.Equal) {
			keys = append(keys, k)
		}
	}
	return keys
}
