// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

// standing is why a segment's signatures count.
type standing uint8

const (
	// untrusted: nothing leads from a trusted key to the segment's.
	untrusted standing = iota
	// vouched: a trusted key signs the log from a later leaf on, and so all that came
	// before it as a whole; the segment's own key is one that it succeeded.
	vouched
	// introduced: a chain of key changes leads from a trusted key to the segment's.
	introduced
	// given: the segment is signed with a key that the caller trusts.
	given
)

// authority says whose signatures count in a segment. It is not changed once
// segments are being checked.
type authority struct {
	standing standing
	// keys are those that the header names. All of them sign every checkpoint, the
	// first one events, and for its sake alone the segment counts. If the header cannot be
	// read they are those that sign the events of the segments next to it, and any of them
	// will do.
	keys   []*signing.PublicKey
	header *segment.Header
	// newer says that a newer version has written it, and how that shows; nil if none has.
	newer error
	// headerLeaf is its leaf hash, context what it adds to the signatures of events; if it
	// cannot be read, that is of a segment beside it.
	headerLeaf merkle.Hash
	context    *signing.EventContext
	// checkpointKeys are those whose signatures a checkpoint may carry.
	checkpointKeys []*signing.PublicKey
	// previous is the key of the segment before, if the key was changed: it signs the
	// segment's first checkpoint, too.
	previous *signing.PublicKey
	// change is the note about that, as the segment has it.
	change *signing.KeyChange
	// relied is the key for whose sake the segment counts, the signer. If the header cannot
	// be read it is any.
	relied []boundKey
	// beside are the other keys of the segment that the caller knows bounds of.
	beside []boundKey
	// wrong says what is wrong with how the segment's key came about.
	wrong string
}

// signer returns the key that signs the segment's events, or nil.
func (a *authority) signer() *signing.PublicKey {
	if a.header == nil {
		return nil
	}
	return a.keys[0]
}

// key returns the key that may have made an event's signature, or nil.
func (a *authority) key(id string) *signing.PublicKey {
	if a.standing == untrusted {
		return nil
	}
	for i, k := range a.keys {
		if k.ID() == id && (i == 0 || a.header == nil) {
			return k
		}
	}
	return nil
}

// boundKey is a key and what the caller says of it, or nil. byIndex is as much of that as
// does not depend on times.
type boundKey struct {
	*signing.PublicKey
	bounds, byIndex *trust.Key
}

func newBoundKey(k *signing.PublicKey, bounds *trust.Key) boundKey {
	one := boundKey{PublicKey: k, bounds: bounds}
	if bounds != nil {
		one.byIndex = bounds.ByIndex()
	}
	return one
}

// objection says why the key may not have signed a leaf, or "".
func (k boundKey) objection(index uint64, at time.Time) (Kind, string) {
	return objection(k.bounds, index, at)
}

func objection(bounds *trust.Key, index uint64, at time.Time) (Kind, string) {
	if bounds == nil {
		return "", ""
	}
	why := bounds.Objection(index, at)
	switch {
	case why == "":
		return "", ""
	case bounds.Revoked != nil && bounds.Revoked.Reached(index, at):
		return KeyRevoked, why
	default:
		return KeyNotValid, why
	}
}

// judge says why the keys for whose sake the segment counts may not have signed a leaf,
// or "" if one of them may.
func (a *authority) judge(index uint64, at time.Time) (kind Kind, why string) {
	for _, k := range a.relied {
		kind, why = k.objection(index, at)
		if kind == "" {
			return "", ""
		}
	}
	return kind, why
}

// judgeEvent is [authority.judge] for an event of which only the index is known: times are
// those of commits. Where the segment's key is not known, the event's own signature says
// whose it is.
func (a *authority) judgeEvent(l *checked, index uint64) (kind Kind, why string) {
	for _, k := range a.relied {
		if a.header == nil && l.signed == sigValid && k.ID() != l.keyID {
			continue
		}
		kind, why = objection(k.byIndex, index, time.Time{})
		if kind == "" {
			return "", ""
		}
	}
	return kind, why
}

// bound reports whether the keys for whose sake the segment counts have bounds.
func (a *authority) bound() bool {
	return slices.ContainsFunc(a.relied, func(k boundKey) bool { return k.bounds != nil })
}

// sound reports whether the keys for whose sake the segment counts could sign its header.
// If not, they lend no trust to the segments around it.
func (a *authority) sound() bool {
	kind, _ := a.judge(a.header.FirstIndex, a.header.Created)
	return a.standing > untrusted && kind == ""
}

func (s standing) String() string {
	return [...]string{untrusted: "unknown", vouched: "vouched", introduced: "introduced", given: "given"}[s]
}

// authorize finds out whose signatures count in each segment, of which all are the heads.
func (c *checker) authorize(files []segment.File, all []*authority) []*authority {
	c.changes = c.newKeyChanges(all)
	var before *authority
	for i, a := range all {
		if a.header == nil {
			continue
		}
		c.forward(before, a, files[i].Parsed.FirstIndex)
		c.rely(a)
		if before == nil || a.standing > untrusted {
			before = a // what a stranger put between leads nowhere
		}
	}
	// What is trusted vouches for what came before it.
	var after *authority
	for _, a := range slices.Backward(all) {
		if a.header == nil {
			continue
		}
		if after != nil && a.standing == untrusted && after.sound() && after.wrong == "" &&
			(after.signer().Equal(a.signer()) || c.changes.lead(a.signer(), after.signer(), 0, after.header.FirstIndex)) {
			a.standing = vouched
			c.rely(a)
		}
		after = a
	}
	// A header that cannot be read leaves the keys beside it.
	for i, a := range all {
		if a.header != nil {
			continue
		}
		for _, beside := range []int{i - 1, i + 1} {
			if beside >= 0 && beside < len(all) && all[beside].header != nil && all[beside].sound() {
				a.keys = once(append(a.keys, all[beside].signer()))
				a.context = all[beside].context
				a.standing = max(a.standing, all[beside].standing)
			}
		}
		if len(a.keys) == 0 {
			a.keys, a.standing = c.keys, given
		}
		c.rely(a)
	}
	for _, a := range all {
		a.checkpointKeys = a.keys
		if a.previous != nil {
			a.checkpointKeys = once(append(slices.Clone(a.keys), a.previous))
		}
	}
	return all
}

// trustBegins says from which leaf on the trusted keys sign the log.
func (c *checker) trustBegins(results []*result, all []*authority, r *Report) {
	for i, a := range all {
		if a.header == nil || a.standing < introduced {
			continue
		}
		first := results[i].first
		r.TrustedFrom = &first
		if slices.ContainsFunc(all[:i], func(a *authority) bool { return a.standing == vouched }) {
			c.log.add(c.o.MaxFindings, Finding{Kind: TrustBegins, Severity: Info, Segment: results[i].file.Name, Index: &first,
				Message: fmt.Sprintf("the trusted keys sign the log from leaf %d on. They vouch for what came before as a whole: it has not changed since, but that its events were signed when they happened rests on keys that were not given", first)})
		}
		return
	}
}

// trusts reports whether the caller trusts a key to sign events.
func (c *checker) trusts(k *signing.PublicKey) bool { return slices.ContainsFunc(c.keys, k.Equal) }

// rely finds out for the sake of which key a segment counts.
func (c *checker) rely(a *authority) {
	a.relied, a.beside = nil, nil
	for i, k := range a.keys {
		one := newBoundKey(k, c.o.Trust.Find(k))
		switch {
		case a.standing > untrusted && (a.header == nil || i == 0):
			a.relied = append(a.relied, one)
		case one.bounds != nil:
			a.beside = append(a.beside, one)
		}
	}
}

// forward finds out why a segment is to be trusted, given the one before, if any.
func (c *checker) forward(before, a *authority, first uint64) {
	if c.trusts(a.signer()) {
		a.standing = given
	}
	introduce := func() { a.standing = max(a.standing, introduced) }
	switch {
	case before == nil && first == 0:
	case before == nil:
		// What led here has been pruned with the first segments; the file of key
		// changes has a copy.
		if a.standing == untrusted && slices.ContainsFunc(c.keys, func(k *signing.PublicKey) bool {
			return c.changes.lead(k, a.signer(), 0, first)
		}) {
			introduce()
		}
	case before.signer().Equal(a.signer()):
		if before.standing > untrusted {
			introduce()
		}
	case c.changes.lead(before.signer(), a.signer(), before.header.FirstIndex, first):
		if before.standing > untrusted {
			introduce()
		}
		if n := c.changes.at(first); n != nil && n.To.Equal(a.signer()) {
			a.previous = n.From
		}
	default:
		a.wrong = fmt.Sprintf("the segment is signed with the key %s, the one before with %s, and no key change leads from the one to the other", a.signer().ID(), before.signer().ID())
		if a.change != nil {
			if why := c.o.objection(a.change, a.header.Created); why != "" {
				a.wrong = "the segment's key was introduced by one that could not do so: " + why
			}
		}
	}
	if a.change != nil {
		if why := a.misfit(a.change, first); why != "" {
			a.wrong = "the key change at its beginning does not fit it: it is for another " + why
		}
	}
}

// rootBefore returns the root of the tree before the segment, as its header says.
func (a *authority) rootBefore() [32]byte {
	tree, err := merkle.NewFrontier(a.header.FirstIndex, a.header.Frontier)
	if err != nil {
		return [32]byte{} // ParseHeader has checked it
	}
	return tree.Root()
}

// head reads who signs a segment. What cannot be read will be found, and reported,
// when the segment is checked.
func (c *checker) head(f segment.File) *authority {
	a := &authority{}
	r, err := segment.OpenForeign(c.fsys, f.Name, f.Size)
	if err != nil {
		return a
	}
	defer r.Close()
	line, err := r.NextHeader()
	if err != nil {
		return a
	}
	h, err := segment.ParseHeader(line)
	switch {
	case errors.Is(err, segment.ErrNewer):
		a.newer = err
	case err != nil:
		return a
	}
	if a.keys = c.publicKeys(&h); a.keys == nil {
		return a // ParseHeader has checked them
	}
	a.header, a.headerLeaf = &h, merkle.LeafHash(line)
	a.context = signing.NewEventContext(h.Origin, h.Log)
	if line, err := r.Next(); err == nil && segment.KindOf(line) == segment.KindEvent {
		a.change = keyChangeOn(line)
	}
	return a
}

// publicKeys returns the keys that a header names. Those of one header after another are
// mostly the same, and then kept once, and so are the origin and the names of features.
func (c *checker) publicKeys(h *segment.Header) []*signing.PublicKey {
	same := func(a, b segment.Key) bool { return bytes.Equal(a.PublicKey, b.PublicKey) }
	last := c.lastHead
	if last == nil || !slices.EqualFunc(last.header.Keys, h.Keys, same) {
		keys := make([]*signing.PublicKey, len(h.Keys))
		for i := range h.Keys {
			k, err := signing.ParsePublicKeyDER(h.Keys[i].PublicKey)
			if err != nil {
				return nil
			}
			keys[i], h.Keys[i].PublicKey = k, k.SPKI()
		}
		last = &authority{header: h, keys: once(keys)}
		c.lastHead = last
	}
	h.Keys = last.header.Keys
	if h.Origin == last.header.Origin {
		h.Origin = last.header.Origin
	}
	if slices.Equal(h.Features, last.header.Features) {
		h.Features = last.header.Features
	}
	return last.keys
}

// keyChangeOn returns the key change that an event line tells of, or nil.
func keyChangeOn(line []byte) *signing.KeyChange {
	parsed, err := segment.ParseEvent(line)
	if err != nil {
		return nil
	}
	said, ok := logevent.In(parsed.Canonical)
	if !ok || said.Action != logevent.KeyChanged {
		return nil
	}
	n, err := signing.OpenKeyChange([]byte(said.KeyChange))
	if err != nil {
		return nil
	}
	return &n
}

// takeKeyChanges reads the file of key changes, if there is one. Only regular lines
// count; what is wrong with others is a finding.
func (c *checker) takeKeyChanges() error {
	f, err := segment.OpenRegular(c.fsys, segment.KeyChangesName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case isForm(err):
		c.unfit = append(c.unfit, err.Error())
		return nil
	case err != nil:
		return err
	}
	defer f.Close()
	r := segment.NewReader(io.LimitReader(f, maxKeyChanges), segment.KeyChangesName)
	for len(c.unfit) < maxUnfit {
		line, err := r.Next()
		switch {
		case err == io.EOF, errors.Is(err, segment.ErrPartialLine):
			return nil // a line may be being written
		case isForm(err):
			c.unfit = append(c.unfit, err.Error())
			return nil
		case err != nil:
			return err
		}
		if err := c.takeKeyChange(line); err != nil {
			c.unfit = append(c.unfit, fmt.Sprintf("line %d: %v", r.Line(), err))
		}
	}
	c.unfit = append(c.unfit, "what follows was not looked at")
	return nil
}

// takeKeyChange takes in a line of that file. The indices rise from line to line; that is
// looked at first, since checking signatures takes long.
func (c *checker) takeKeyChange(line []byte) error {
	note, err := segment.ParseKeyChange(line)
	if err != nil {
		return err
	}
	var last *signing.KeyChange
	if n := len(c.filed); n > 0 {
		last = &c.filed[n-1]
		if index, ok := indexOf(note); ok && index <= last.Index {
			return fmt.Errorf("a key change at leaf %d after one at leaf %d: they are not in their order, or one is there twice", index, last.Index)
		}
	}
	n, err := signing.OpenKeyChange(note)
	if err != nil {
		return err
	}
	// Nothing that is the same in each is kept for each.
	n.Origin = strings.Clone(n.Origin)
	if last != nil && last.Origin == n.Origin {
		n.Origin = last.Origin
	}
	if last != nil && last.To.Equal(n.From) {
		n.From = last.To
	}
	c.filed = append(c.filed, n)
	return nil
}

// indexOf returns what stands where a key change has its index.
func indexOf(note []byte) (index uint64, ok bool) {
	for range 3 {
		_, note, _ = bytes.Cut(note, []byte("\n"))
	}
	line, _, _ := bytes.Cut(note, []byte("\n"))
	index, err := strconv.ParseUint(string(line), 10, 64)
	return index, err == nil
}

const (
	// maxKeyChanges bounds the bytes read of the file of key changes: some hundred
	// thousand changes.
	maxKeyChanges = 128 << 20
	// maxUnfit bounds the malformed lines of that file that are reported.
	maxUnfit = 100
)

// judgeKeyChanges says what is wrong with the file of key changes, given the log it
// belongs to.
func (c *checker) judgeKeyChanges(results []*result, r *Report) (said []Finding) {
	say := func(kind Kind, format string, args ...any) {
		said = append(said, Finding{Kind: kind, Severity: Tampering, Segment: segment.KeyChangesName, Message: fmt.Sprintf(format, args...)})
	}
	for _, why := range c.unfit {
		say(KeyChangeInvalid, "%s", why)
	}
	newest := newestSigner(results)
	for i := range c.filed {
		n := &c.filed[i]
		leads := newest != nil && n.Index >= r.TreeSize && newest.Equal(n.From)
		if leads {
			newest = n.To
		}
		unread := unreadUpTo(results, n.Index)
		switch {
		case n.Origin != r.Origin && r.Origin != "":
			say(KeyChangeInvalid, "a key change of the log %q, not of %q", n.Origin, r.Origin)
		case r.Log != nil && n.Log != signing.LogID(r.Log):
			say(KeyChangeInvalid, "a key change at leaf %d of another log that has the origin %q, too", n.Index, n.Origin)
		case n.Index > r.TreeSize && unread != "":
			said = append(said, Finding{Kind: Rollback, Severity: Unchecked, Segment: segment.KeyChangesName,
				Message: fmt.Sprintf("the key was changed when the log had %d leaves, and %d could be read: %s may hold the others. %s", n.Index, r.TreeSize, unread, segment.HowToDecompress(unread))})
		case n.Index > r.TreeSize && leads && r.TreeSize > 0:
			// The keys of the log have signed it, like the file checkpoint.
			said = append(said, Finding{Kind: Rollback, Severity: Unchecked, Segment: segment.KeyChangesName,
				Message: fmt.Sprintf("the key was changed when the log had %d leaves, but it has only %d: its end is missing. %s", n.Index, r.TreeSize, copyAgain)})
		case n.Index > r.TreeSize:
			say(Rollback, "the key was changed when the log had %d leaves, but it has only %d: its end is missing", n.Index, r.TreeSize)
		case contradicts(results, n):
			say(KeyChangeInvalid, "a change to the key %s at leaf %d, where the log has none", n.To.ID(), n.Index)
		}
	}
	return said
}

// newestSigner is the first key of the last segment that counts.
func newestSigner(results []*result) *signing.PublicKey {
	for _, r := range slices.Backward(results) {
		if r.end != nil && r.authority.header != nil {
			return r.authority.signer()
		}
	}
	return nil
}

// contradicts reports whether there is a segment that holds the leaf at which a key
// was changed, and knows nothing of it. The segment may have been pruned.
func contradicts(results []*result, n *signing.KeyChange) bool {
	i, found := slices.BinarySearchFunc(results, n.Index, func(r *result, index uint64) int {
		return cmp.Compare(r.file.Parsed.FirstIndex, index)
	})
	if !found {
		i--
	}
	if i < 0 || results[i].end == nil || results[i].authority.header == nil || n.Index >= results[i].end.size {
		return false
	}
	a := results[i].authority
	return !found || a.misfit(n, n.Index) != ""
}

// keyChanges are the key changes of a log, by the key that was left.
type keyChanges struct {
	from  map[string][]signing.KeyChange
	index map[uint64]signing.KeyChange
	// all are those, and the ones that were left out.
	all map[uint64]signing.KeyChange
}

// newKeyChanges takes in those of the file and those in the segments, which go
// before. What a key introduced that could not do so is left out.
func (c *checker) newKeyChanges(all []*authority) *keyChanges {
	k := &keyChanges{from: map[string][]signing.KeyChange{}, index: map[uint64]signing.KeyChange{}, all: map[uint64]signing.KeyChange{}}
	add := func(n signing.KeyChange, at time.Time) {
		if _, ok := k.all[n.Index]; ok {
			return
		}
		k.all[n.Index] = n
		if c.o.objection(&n, at) != "" {
			return
		}
		k.index[n.Index] = n
		id := string(n.From.SPKI())
		k.from[id] = append(k.from[id], n)
	}
	for _, a := range all {
		if a.change != nil {
			add(*a.change, a.header.Created)
		}
	}
	for _, n := range c.filed {
		add(n, changedBy(all, n.Index))
	}
	return k
}

// changedBy returns a time by which a key had been changed at a leaf: when the segment
// that begins there was created, or else the next one there is. It is zero if there is
// none.
func changedBy(all []*authority, index uint64) time.Time {
	for _, a := range all {
		if a.header != nil && a.header.FirstIndex >= index {
			return a.header.Created
		}
	}
	return time.Time{}
}

// at returns the key change at an index, or nil.
func (k *keyChanges) at(index uint64) *signing.KeyChange {
	n, ok := k.index[index]
	if !ok {
		return nil
	}
	return &n
}

// keyAt returns the key that signed a leaf before the first that is there, as all key
// changes say, whether they lead somewhere or not. first is the key of that one.
func (k *keyChanges) keyAt(index uint64, first *signing.PublicKey) *signing.PublicKey {
	var before *signing.KeyChange
	for _, at := range slices.Sorted(maps.Keys(k.all)) {
		n := k.all[at]
		switch {
		case at <= index:
			before = &n
		case before == nil:
			return n.From
		}
	}
	if before == nil {
		return first
	}
	return before.To
}

// lead reports whether key changes lead from one key to another, each later than the
// one before, all behind after and none behind until.
func (k *keyChanges) lead(from, to *signing.PublicKey, after, until uint64) bool {
	// Nearly always there is one way only; a key may come back, though.
	type step struct {
		key   *signing.PublicKey
		after uint64
	}
	seen := map[uint64]bool{}
	for steps := []step{{from, after}}; len(steps) > 0; {
		at := steps[len(steps)-1]
		steps = steps[:len(steps)-1]
		for _, n := range k.from[string(at.key.SPKI())] {
			if n.Index <= at.after || n.Index > until || seen[n.Index] {
				continue
			}
			if n.To.Equal(to) {
				return true
			}
			seen[n.Index] = true
			steps = append(steps, step{n.To, n.Index})
		}
	}
	return false
}

// connected returns all keys that key changes connect with those given.
func (k *keyChanges) connected(keys []*signing.PublicKey) []*signing.PublicKey {
	beside := map[string][]*signing.PublicKey{}
	for _, n := range k.index {
		beside[n.From.ID()] = append(beside[n.From.ID()], n.To)
		beside[n.To.ID()] = append(beside[n.To.ID()], n.From)
	}
	seen := map[string]bool{}
	var all []*signing.PublicKey
	for todo := slices.Clone(keys); len(todo) > 0; {
		key := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[key.ID()] {
			continue
		}
		seen[key.ID()] = true
		all = append(all, key)
		todo = append(todo, beside[key.ID()]...)
	}
	return all
}
