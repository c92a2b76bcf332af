// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package logstate is the form of the file that says, away from a log's directory, how far
// the log has come. So a directory that was emptied, not mounted or rolled back is told
// from the beginning of a log.
package logstate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/internal/partition"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// MaxBytes is more than any state file has.
const MaxBytes = 4 << 10

const (
	format = "auditlog/v1"
	// suffix ends the name of a state file, anewSuffix that of a permission.
	suffix     = ".state"
	anewSuffix = ".anew"
)

// State says what is known to be durable of a log: the log holds these leaves, and maybe
// more.
type State struct {
	Origin string
	Log    signing.LogID
	// Size is 0 for a log that is about to begin.
	Size uint64
	Root merkle.Hash
	// Succeeds is the log in whose place one is about to begin; nil if there was none, and
	// once the log has begun, because its first header then says it.
	Succeeds *segline.Predecessor
}

// Name returns the name of the file for a log.
func Name(origin string) string { return partition.Name(origin) + suffix }

// IsName reports whether a file's name is that of a state.
func IsName(name string) bool { return strings.HasSuffix(name, suffix) }

// AnewName returns the name of the file that permits to begin a log anew.
func AnewName(origin string) string { return partition.Name(origin) + anewSuffix }

// Begins reports whether the log is about to begin.
func (s *State) Begins() bool { return s.Size == 0 }

type stateJSON struct {
	State    string        `json:"state"`
	Origin   string        `json:"origin"`
	Log      string        `json:"log"`
	Size     uint64        `json:"size"`
	Root     string        `json:"root"`
	Succeeds *succeedsJSON `json:"succeeds,omitempty"`
}

type succeedsJSON struct {
	Log  string `json:"log"`
	Size uint64 `json:"size"`
	Root string `json:"root"`
}

// Marshal returns the content of the file.
func (s *State) Marshal() []byte {
	j := stateJSON{State: format, Origin: s.Origin, Log: encode(s.Log[:]), Size: s.Size, Root: encode(s.Root[:])}
	if p := s.Succeeds; p != nil {
		j.Succeeds = &succeedsJSON{encode(p.Log[:]), p.Size, encode(p.Root[:])}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(j); err != nil {
		panic(err) // there is nothing in it that can fail
	}
	return buf.Bytes()
}

// Parse parses the content of a file. It accepts exactly what [State.Marshal] returns.
func Parse(content []byte) (s State, err error) {
	var j stateJSON
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return s, fmt.Errorf("not the state of an audit log: %w", err)
	}
	if j.State != format {
		return s, fmt.Errorf("the state of an audit log in the form %.40q, and this version reads %s", j.State, format)
	}
	s.Origin, s.Size = j.Origin, j.Size
	err = errors.Join(signednote.ValidateOrigin(s.Origin), decode(s.Log[:], j.Log), decode(s.Root[:], j.Root))
	if p := j.Succeeds; p != nil {
		s.Succeeds = &segline.Predecessor{Size: p.Size}
		err = errors.Join(err, decode(s.Succeeds.Log[:], p.Log), decode(s.Succeeds.Root[:], p.Root))
	}
	if err == nil && s.Size > segline.MaxIndex {
		err = fmt.Errorf("%d leaves", s.Size)
	}
	if err == nil && !bytes.Equal(s.Marshal(), content) {
		err = errors.New("it is not in the form in which it is written")
	}
	if err != nil {
		return State{}, fmt.Errorf("the state of an audit log: %w", err)
	}
	return s, nil
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func decode(into []byte, s string) error {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(into) {
		return fmt.Errorf("%.60q is not %d bytes in base64", s, len(into))
	}
	copy(into, b)
	return nil
}
