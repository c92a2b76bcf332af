// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"fmt"
	"strings"
)

// member is one of the members that attributes feed, or one of the attributes
// that help to find a member.
type member uint8

const (
	mEventID member = iota
	mLevel
	mCategory
	mOperation
	mActorType
	mActorID
	mUserID
	mAgentID
	mSessionID
	mSuccess
	mErrorType
	mHTTPStatus
	mErrorMessage
	mSourceIP
	mUserAgent
	mEventName
	mTarget
	mPairType
	mPairID
	members
)

// use says that an attribute may feed a member, and at which place among those
// that may.
type use struct {
	member member
	rank   int
}

// Mapper is a compiled [Mapping]. It is immutable and safe for concurrent use;
// each goroutine gets an [Encoder] of its own from it.
type Mapper struct {
	uses       map[string][]use
	ranks      [members]int // number of attributes that may feed a member
	targets    []string     // types of the targets
	categories map[string]Category
	strict     bool
}

// NewMapper compiles a mapping. It fails if [Mapping.Validate] does.
func NewMapper(m Mapping) (*Mapper, error) {
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("mapping: %w", err)
	}
	p := &Mapper{uses: make(map[string][]use), categories: m.Categories, strict: m.Strict}
	for member, list := range map[member][]string{
		mEventID: m.EventID, mLevel: m.Level, mCategory: m.Category, mOperation: m.Operation,
		mActorType: m.ActorType, mActorID: m.ActorID, mUserID: m.UserID, mAgentID: m.AgentID,
		mSessionID: m.SessionID, mSuccess: m.Success, mErrorType: m.ErrorType, mHTTPStatus: m.HTTPStatusCode,
		mErrorMessage: m.ErrorMessage, mSourceIP: m.SourceIP, mUserAgent: m.UserAgent, mEventName: m.EventName,
	} {
		for _, name := range list {
			p.add(member, name)
		}
	}
	for _, t := range m.Targets {
		p.add(mTarget, t.Attribute)
		p.targets = append(p.targets, t.Type)
	}
	for _, pair := range m.Resources {
		p.add(mPairType, pair.Type)
		p.add(mPairID, pair.ID)
	}
	return p, nil
}

func (p *Mapper) add(m member, name string) {
	p.uses[name] = append(p.uses[name], use{m, p.ranks[m]})
	p.ranks[m]++
}

// categoryOf returns the category for an event name by its longest known prefix.
func (p *Mapper) categoryOf(name string) Category {
	for {
		if c, ok := p.categories[name]; ok {
			return c
		}
		cut := strings.LastIndexByte(name, '.')
		if cut < 0 {
			return CategorySystemHealth
		}
		name = name[:cut]
	}
}

// NewEncoder returns an encoder.
func (p *Mapper) NewEncoder() *Encoder {
	return &Encoder{mapper: p}
}

// NewEncoder returns an encoder for a mapping; see [NewMapper].
func NewEncoder(m Mapping) (*Encoder, error) {
	p, err := NewMapper(m)
	if err != nil {
		return nil, err
	}
	return p.NewEncoder(), nil
}
