// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"fmt"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// use says that an attribute may play a role, and at which place among those that
// may.
type use struct {
	role role
	rank int
}

// Mapper is a compiled [Config]. It is immutable and safe for concurrent use;
// each goroutine gets an [Encoder] of its own from it.
type Mapper struct {
	uses       map[string][]use
	ranks      [roles]int // number of attributes that may play a role
	targets    []string   // types of the targets
	categories map[string]event.Category
	strict     bool
}

// NewMapper compiles a mapping. It fails if [Config.Validate] does.
func NewMapper(m Config) (*Mapper, error) {
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("mapping: %w", err)
	}
	p := &Mapper{uses: make(map[string][]use), categories: make(map[string]event.Category, len(m.Categories)), strict: m.Strict}
	for prefix, category := range m.Categories {
		p.categories[prefix] = category
	}
	for _, l := range m.lists() {
		for _, name := range l.names {
			p.add(l.role, name)
		}
	}
	for _, t := range m.Targets {
		p.add(roleTarget, t.Attribute)
		p.targets = append(p.targets, t.Type)
	}
	for _, pair := range m.Resources {
		p.add(rolePairType, pair.Type)
		p.add(rolePairID, pair.ID)
	}
	return p, nil
}

func (p *Mapper) add(r role, name string) {
	p.uses[name] = append(p.uses[name], use{r, p.ranks[r]})
	p.ranks[r]++
}

// categoryOf returns the category for an event name by its longest known prefix.
func (p *Mapper) categoryOf(name string) event.Category {
	for {
		if c, ok := p.categories[name]; ok {
			return c
		}
		cut := strings.LastIndexByte(name, '.')
		if cut < 0 {
			return event.CategorySystemHealth
		}
		name = name[:cut]
	}
}

// NewEncoder returns an encoder.
func (p *Mapper) NewEncoder() *Encoder {
	return &Encoder{mapper: p}
}

// NewEncoder returns an encoder for a mapping; see [NewMapper].
func NewEncoder(m Config) (*Encoder, error) {
	p, err := NewMapper(m)
	if err != nil {
		return nil, err
	}
	return p.NewEncoder(), nil
}
