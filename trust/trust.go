// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package trust reads the file in which an auditor, or whoever runs a log, keeps the
// public keys that are to be trusted, from when, until when, and since when no more.
//
// The file is YAML:
//
//	keys:
//	  - public_key: |            # PEM, or a note verifier key; or a file:
//	      -----BEGIN PUBLIC KEY-----
//	      …
//	    valid_from: 2026-01-01T00:00:00Z
//	    valid_until: 41873
//	  - file: 2027.pub.pem       # relative to this file
//	    revoked: 2027-03-01T09:30:00Z
//	    reason: copied by somebody who left
//
//	  - file: checkpoints.pub.pem
//	    use: checkpoints         # or a list; events if it is left out
//
// A point is a time (RFC 3339) or the index of a leaf. Indices are better: times are
// what commits and segments say of themselves, and an index also says that the log has
// got there.
//
// A key may also be the verifier key of a witness. It does not make the witness a trusted
// one, but bounds what its cosignatures count for; their times are those of its own clock.
package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Use is what a key is for: one or more of the uses there are.
type Use uint8

// The uses of a key. A key is good for none but its own.
const (
	// UseEvents: the key signs events and checkpoints. It is the use of a log's key that
	// says none.
	UseEvents Use = 1 << iota
	// UseCheckpoints: the key signs checkpoints, next to one that signs events as well.
	UseCheckpoints
	// UseWitness: the key is a witness's. It is the one use of a witness's verifier key.
	UseWitness
	// UseDelegate and UseAnchor are kept for what comes: nothing that such a key signs is
	// believed.
	UseDelegate
	UseAnchor
)

// namedUse is a use and how a trust file calls it.
type namedUse struct {
	name string
	use  Use
}

var uses = []namedUse{
	{"events", UseEvents}, {"checkpoints", UseCheckpoints}, {"delegate", UseDelegate}, {"witness", UseWitness}, {"anchor", UseAnchor},
}

func (u Use) String() string {
	var names []string
	for _, one := range uses {
		if u&one.use != 0 {
			names = append(names, one.name)
		}
	}
	return strings.Join(names, ", ")
}

// writtenUse is a use as a trust file has it.
type writtenUse struct{ Use }

// UnmarshalYAML reads a use, or a list of some.
func (u *writtenUse) UnmarshalYAML(n *yaml.Node) error {
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	if len(list) == 0 {
		return fmt.Errorf("line %d: the list of uses is empty: leave use out for events", n.Line)
	}
	u.Use = 0
	for _, one := range list {
		i := -1
		if one.Kind == yaml.ScalarNode {
			i = slices.IndexFunc(uses, func(known namedUse) bool { return known.name == one.Value })
		}
		switch {
		case i < 0:
			return fmt.Errorf("line %d: %q is no use of a key: write events, checkpoints, delegate, witness or anchor, or a list of them", one.Line, one.Value)
		case u.Use&uses[i].use != 0:
			return fmt.Errorf("line %d: the use %s is listed twice", one.Line, one.Value)
		}
		u.Use |= uses[i].use
	}
	return nil
}

// Point is a place in a log: a leaf index, or a time.
type Point struct {
	// Index is the index of a leaf, if ByIndex is set.
	Index   uint64
	ByIndex bool
	// Time is a time, if ByIndex is not set.
	Time time.Time
}

// maxIndex is the largest index that a leaf can have (docs/format.md, section 3.1).
const maxIndex = 1<<53 - 1

func (p *Point) String() string {
	if p.ByIndex {
		return "leaf " + strconv.FormatUint(p.Index, 10)
	}
	return p.Time.UTC().Format(time.RFC3339)
}

// writtenPoint is a point as a trust file has it.
type writtenPoint struct{ Point }

// point returns the point; nil if there is none.
func (p *writtenPoint) point() *Point {
	if p == nil {
		return nil
	}
	return &p.Point
}

// UnmarshalYAML reads a leaf index or a time.
func (p *writtenPoint) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: want a time such as 2026-01-31T12:00:00Z, or a leaf index", n.Line)
	}
	if index, err := strconv.ParseUint(n.Value, 10, 64); err == nil {
		if index > maxIndex {
			return fmt.Errorf("line %d: no leaf has the index %d: the largest is %d", n.Line, index, uint64(maxIndex))
		}
		p.Point = Point{Index: index, ByIndex: true}
		return nil
	}
	at, err := time.Parse(time.RFC3339, n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is neither a time such as 2026-01-31T12:00:00Z nor a leaf index", n.Line, n.Value)
	}
	p.Point = Point{Time: at}
	return nil
}

// Key is a public key and what is to be believed of it.
type Key struct {
	// Public is the key of a log, or nil. Witness is then that of a witness.
	Public  *signing.PublicKey
	Witness *witness.Key
	// From and Until bound what the key may have signed: From ≤ leaf < Until. A nil
	// one does not.
	From, Until *Point
	// Revoked is where the key stopped being trustworthy; nil if it never did.
	Revoked *Point
	// Reason says why, for people.
	Reason string
	// Use is what the key is for. If it is 0, the key is one for events, or that of a
	// witness. Load and Parse set it.
	Use Use
}

// For reports whether a use is among those of the key.
func (k *Key) For(use Use) bool { return k.use()&use != 0 }

func (k *Key) use() Use {
	switch {
	case k.Use != 0:
		return k.Use
	case k.Witness != nil:
		return UseWitness
	default:
		return UseEvents
	}
}

// Name is how people are told of the key.
func (k *Key) Name() string {
	if k.Witness != nil {
		return "of the witness " + k.Witness.Name()
	}
	return k.Public.ID()
}

// same reports whether both are one key.
func (k *Key) same(other *Key) bool {
	if k.Witness != nil || other.Witness != nil {
		return k.Witness != nil && other.Witness != nil && k.Witness.SamePublicKey(other.Witness)
	}
	return k.Public.Equal(other.Public)
}

// Keys are the keys of a trust file.
type Keys []Key

// find returns the entry of the same key, or nil.
func (k Keys) find(key *Key) *Key {
	for i := range k {
		if k[i].same(key) {
			return &k[i]
		}
	}
	return nil
}

// maxFile is far above the size of any trust file.
const maxFile = 4 << 20

// Load reads a trust file. Files that it names are looked for next to it.
func Load(path string) (Keys, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the trusted keys: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the trusted keys in %s: %w", path, err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("read the trusted keys in %s: the file is larger than %d bytes", path, maxFile)
	}
	keys, err := Parse(b, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		return keyfile.ReadPublic(name)
	})
	if err != nil {
		return nil, fmt.Errorf("read the trusted keys in %s: %w", path, err)
	}
	return keys, nil
}

// take takes in a public key, as PEM or as a verifier key.
func (k *Key) take(text []byte) (err error) {
	vkey := strings.TrimSpace(string(text))
	if w, err := witness.ParseKey(vkey); err == nil {
		k.Witness = w
		return nil
	}
	k.Public, err = signing.ParsePublicKey(text)
	return err
}

// refuseNulls refuses members that are there and empty, as a variable that is not set leaves
// them: a revocation without a point would revoke nothing, without a word.
func refuseNulls(n *yaml.Node) error {
	for i, child := range n.Content {
		if err := refuseNulls(child); err != nil {
			return err
		}
		if n.Kind != yaml.MappingNode || i%2 == 0 {
			continue
		}
		value := child
		if child.Kind == yaml.AliasNode {
			value = child.Alias
		}
		if key := n.Content[i-1]; value.ShortTag() == "!!null" {
			return fmt.Errorf("line %d: %s: nothing is there: write a value, or leave it out", key.Line, key.Value)
		}
	}
	return nil
}

// Parse reads the content of a trust file; load returns the content of a file that it
// names.
func Parse(b []byte, load func(name string) ([]byte, error)) (Keys, error) {
	var in struct {
		Keys []struct {
			PublicKey string        `yaml:"public_key"`
			File      string        `yaml:"file"`
			From      *writtenPoint `yaml:"valid_from"`
			Until     *writtenPoint `yaml:"valid_until"`
			Revoked   *writtenPoint `yaml:"revoked"`
			Reason    string        `yaml:"reason"`
			Use       writtenUse    `yaml:"use"`
		} `yaml:"keys"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&in); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty: list the public keys below keys")
		}
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the first YAML document")
	}
	if len(in.Keys) == 0 {
		return nil, errors.New("no key: list the public keys below keys")
	}
	var document yaml.Node
	if err := yaml.Unmarshal(b, &document); err != nil {
		return nil, err
	}
	if err := refuseNulls(&document); err != nil {
		return nil, err
	}
	keys := make(Keys, 0, len(in.Keys))
	for i, k := range in.Keys {
		one := Key{From: k.From.point(), Until: k.Until.point(), Revoked: k.Revoked.point(), Reason: k.Reason, Use: k.Use.Use}
		text, err := []byte(k.PublicKey), error(nil)
		switch {
		case (k.PublicKey == "") == (k.File == ""):
			err = errors.New("give either public_key or file")
		case k.File != "":
			if text, err = load(k.File); err == nil {
				if err = one.take(text); err != nil {
					err = fmt.Errorf("read the public key %s: %w", k.File, err)
				}
			}
		default:
			err = one.take(text)
		}
		switch {
		case err != nil:
		case keys.find(&one) != nil:
			err = fmt.Errorf("the key %s is listed twice", one.Name())
		case one.From != nil && one.Until != nil && one.From.ByIndex == one.Until.ByIndex && one.Until.Index <= one.From.Index && !one.Until.Time.After(one.From.Time):
			err = errors.New("valid_until is not after valid_from")
		case one.Reason != "" && one.Revoked == nil:
			err = errors.New("reason is for a revoked key: say from when on with revoked")
		case one.Witness != nil && one.use() != UseWitness:
			err = fmt.Errorf("the key %s is a witness's, whose one use is witness", one.Name())
		case one.Public != nil && one.For(UseWitness):
			err = fmt.Errorf("the key %s is a log's: the use witness is for the verifier key that a witness has", one.Name())
		}
		if err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
		one.Use = one.use()
		keys = append(keys, one)
	}
	return keys, nil
}
