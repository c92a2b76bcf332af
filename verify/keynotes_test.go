// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
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
	noted := func(a *logtest.Forger, change func(c *signing.KeyChange)) []byte {
		tree := rootBefore(a)
		c := signing.KeyChange{
			Origin: a.Head.Origin, Log: a.Head.Log, Index: a.Head.FirstIndex, Root: tree,
			Header: merkle.LeafHash(a.Head.AppendTo(nil)), Retain: a.Head.Retain,
		}
		change(&c)
		return logtest.SignKeyChange(t, c, a.Signer, second)
	}
	misfit := func(change func(c *signing.KeyChange)) func(a *logtest.Forger) {
		return func(a *logtest.Forger) {
			a.Next(to)
			a.IntroduceBy(noted(a, change))
			a.Previous, a.Signer = a.Signer, second
			a.KeyChanges = nil
		}
	}
	for name, c := range map[string]struct {
		write func(a *logtest.Forger)
		want  []verify.Kind // any of them; nil if it is good
	}{
		"as it should be": {func(a *logtest.Forger) { a.ChangeKey(second) }, nil},
		"another scope": {func(a *logtest.Forger) {
			a.Next(func(h *segment.Header) { h.Scope = segline.ScopeEvent })
			a.Introduce(a.Signer)
		}, nil},
		"other features": {func(a *logtest.Forger) {
			a.Next(func(h *segment.Header) { h.Features = []string{segline.FeatureIDs} })
			a.Introduce(a.Signer)
		}, nil},
		"scope without a note": {func(a *logtest.Forger) { a.Next(func(h *segment.Header) { h.Scope = segline.ScopeEvent }) }, []verify.Kind{verify.KeyChangeInvalid}},
		"features without one": {func(a *logtest.Forger) { a.Next(func(h *segment.Header) { h.Features = []string{segline.FeatureIDs} }) }, []verify.Kind{verify.KeyChangeInvalid}},
		"keys without one":     {func(a *logtest.Forger) { a.Next(to); a.Signer = second }, []verify.Kind{verify.UnknownKey, verify.KeyChangeInvalid}},
		"a note for nothing":   {func(a *logtest.Forger) { a.Next(nil); a.Introduce(a.Signer) }, []verify.Kind{verify.KeyChangeInvalid}},
		"on the third line":    {func(a *logtest.Forger) { a.Next(to); a.Say(map[string]string{"action": "opened"}); a.Introduce(second) }, []verify.Kind{verify.KeyChangeInvalid}},
		"once more later": {func(a *logtest.Forger) {
			a.ChangeKey(second)
			a.Say(map[string]string{"action": "key_changed", "key_change": "x"})
		}, []verify.Kind{verify.KeyChangeInvalid}},
		"malformed": {func(a *logtest.Forger) {
			a.Next(nil)
			a.Say(map[string]string{"action": "key_changed", "key_change": "x"})
		}, []verify.Kind{verify.KeyChangeInvalid}},
		"for another header": {misfit(func(c *signing.KeyChange) { c.Header[0] ^= 1 }), []verify.Kind{verify.UnknownKey}},
		"for another log":    {misfit(func(c *signing.KeyChange) { c.Log[0] ^= 1 }), []verify.Kind{verify.UnknownKey}},
		"another promise":    {misfit(func(c *signing.KeyChange) { c.Retain = c.Retain.Add(time.Hour) }), []verify.Kind{verify.UnknownKey}},
		"another tree":       {misfit(func(c *signing.KeyChange) { c.Root[0] ^= 1 }), []verify.Kind{verify.UnknownKey}},
		"another place":      {misfit(func(c *signing.KeyChange) { c.Index-- }), []verify.Kind{verify.UnknownKey}},
		"a key that leaves unsigned": {func(a *logtest.Forger) {
			a.Next(func(h *segment.Header) { h.Keys = append(h.Keys, segline.KeyOf(beside.Public())) })
			a.Introduce(a.Signer)
			a.Previous = beside
			a.Commit()
			a.Next(func(h *segment.Header) { h.Keys = h.Keys[:1] })
			a.Introduce(a.Signer)
		}, []verify.Kind{verify.KeyChangeInvalid}},
		"a key that leaves": {func(a *logtest.Forger) {
			a.Next(func(h *segment.Header) { h.Keys = append(h.Keys, segline.KeyOf(beside.Public())) })
			a.Introduce(a.Signer)
			a.Previous = beside
			a.Commit()
			a.Next(func(h *segment.Header) { h.Keys = h.Keys[:1] })
			a.Introduce(a.Signer, beside)
		}, nil},
		"a key that stays, and is said to leave": {func(a *logtest.Forger) {
			a.Next(func(h *segment.Header) { h.Scope = segline.ScopeEvent })
			a.Introduce(a.Signer, beside)
		}, []verify.Kind{verify.KeyChangeInvalid}},
	} {
		t.Run(name, func(t *testing.T) {
			a := logtest.NewForger(t)
			given := logtest.PublicKeys(a.Signer)
			a.Commit()
			c.write(a)
			a.Commit()
			r := check(t, a.Dir(), verify.Options{Keys: given})
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
func rootBefore(a *logtest.Forger) [32]byte {
	tree, err := merkle.NewFrontier(a.Head.FirstIndex, a.Head.Frontier)
	if err != nil {
		a.T.Fatal(err)
	}
	return tree.Root()
}
