// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// A key change introduces the very header that follows it in the log, on the second line of
// its segment, and each segment that has other keys, another scope or other features.
func TestKeyChangesIntroduceTheirHeader(t *testing.T) {
	second := signingtest.New(t, signing.ECDSAP256)
	beside := signingtest.New(t, signing.Ed25519)
	to := func(h *segment.Header) { h.Keys[0] = segline.KeyOf(second.Public()) }
	// noted is what a good note says, changed.
	noted := func(a *author, change func(c *signing.KeyChange)) []byte {
		tree := a.rootBefore()
		c := signing.KeyChange{
			Origin: a.head.Origin, Log: a.head.Log, Index: a.head.FirstIndex, Root: tree,
			Header: merkle.LeafHash(a.head.AppendTo(nil)), Retain: a.head.Retain,
		}
		change(&c)
		return changeOf(t, c, a.signer, second)
	}
	misfit := func(change func(c *signing.KeyChange)) func(a *author) {
		return func(a *author) {
			a.next(to)
			a.introduceBy(noted(a, change))
			a.previous, a.signer = a.signer, second
			a.notes = nil
		}
	}
	for name, c := range map[string]struct {
		write func(a *author)
		want  []verify.Kind // any of them; nil if it is good
	}{
		"as it should be": {func(a *author) { a.goOverTo(second) }, nil},
		"another scope": {func(a *author) {
			a.next(func(h *segment.Header) { h.Scope = segline.ScopeEvent })
			a.introduce(a.signer)
		}, nil},
		"other features": {func(a *author) {
			a.next(func(h *segment.Header) { h.Features = []string{segline.FeatureIDs} })
			a.introduce(a.signer)
		}, nil},
		"scope without a note": {func(a *author) { a.next(func(h *segment.Header) { h.Scope = segline.ScopeEvent }) }, []verify.Kind{verify.KeyChangeInvalid}},
		"features without one": {func(a *author) { a.next(func(h *segment.Header) { h.Features = []string{segline.FeatureIDs} }) }, []verify.Kind{verify.KeyChangeInvalid}},
		"keys without one":     {func(a *author) { a.next(to); a.signer = second }, []verify.Kind{verify.UnknownKey, verify.KeyChangeInvalid}},
		"a note for nothing":   {func(a *author) { a.next(nil); a.introduce(a.signer) }, []verify.Kind{verify.KeyChangeInvalid}},
		"on the third line":    {func(a *author) { a.next(to); a.say(map[string]string{"action": "opened"}); a.introduce(second) }, []verify.Kind{verify.KeyChangeInvalid}},
		"once more later": {func(a *author) {
			a.goOverTo(second)
			a.say(map[string]string{"action": "key_changed", "key_change": "x"})
		}, []verify.Kind{verify.KeyChangeInvalid}},
		"malformed":          {func(a *author) { a.next(nil); a.say(map[string]string{"action": "key_changed", "key_change": "x"}) }, []verify.Kind{verify.KeyChangeInvalid}},
		"for another header": {misfit(func(c *signing.KeyChange) { c.Header[0] ^= 1 }), []verify.Kind{verify.UnknownKey}},
		"for another log":    {misfit(func(c *signing.KeyChange) { c.Log[0] ^= 1 }), []verify.Kind{verify.UnknownKey}},
		"another promise":    {misfit(func(c *signing.KeyChange) { c.Retain = c.Retain.Add(time.Hour) }), []verify.Kind{verify.UnknownKey}},
		"another tree":       {misfit(func(c *signing.KeyChange) { c.Root[0] ^= 1 }), []verify.Kind{verify.UnknownKey}},
		"another place":      {misfit(func(c *signing.KeyChange) { c.Index-- }), []verify.Kind{verify.UnknownKey}},
		"a key that leaves unsigned": {func(a *author) {
			a.next(func(h *segment.Header) { h.Keys = append(h.Keys, segline.KeyOf(beside.Public())) })
			a.introduce(a.signer)
			a.previous = beside
			a.commit()
			a.next(func(h *segment.Header) { h.Keys = h.Keys[:1] })
			a.introduce(a.signer)
		}, []verify.Kind{verify.KeyChangeInvalid}},
		"a key that leaves": {func(a *author) {
			a.next(func(h *segment.Header) { h.Keys = append(h.Keys, segline.KeyOf(beside.Public())) })
			a.introduce(a.signer)
			a.previous = beside
			a.commit()
			a.next(func(h *segment.Header) { h.Keys = h.Keys[:1] })
			a.introduce(a.signer, beside)
		}, nil},
		"a key that stays, and is said to leave": {func(a *author) {
			a.next(func(h *segment.Header) { h.Scope = segline.ScopeEvent })
			a.introduce(a.signer, beside)
		}, []verify.Kind{verify.KeyChangeInvalid}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthor(t)
			given := public(a.signer)
			a.commit()
			c.write(a)
			a.commit()
			r := check(t, a.dir(), verify.Options{Keys: given})
			if c.want == nil {
				assert.Empty(t, r.Findings)
				return
			}
			found := kinds(bad(r))
			assert.NotEmpty(t, found)
			for _, kind := range c.want {
				assert.Contains(t, found, kind, "%+v", r.Findings)
			}
		})
	}
}

// rootBefore is the root of the tree before the newest segment.
func (a *author) rootBefore() [32]byte {
	tree, err := merkle.NewFrontier(a.head.FirstIndex, a.head.Frontier)
	if err != nil {
		a.t.Fatal(err)
	}
	return tree.Root()
}
