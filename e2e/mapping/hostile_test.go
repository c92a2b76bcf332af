// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/emit"
	"github.com/otel-auditlog/auditlogexporter/event"
)

// Whatever strings an attacker chooses, the event arrives, and nothing of them is
// lost.
func TestHostileStrings(t *testing.T) {
	e, m := newEmitter(t)
	hostile := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 20), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"\xff", "a\x00b", "\x1b[2J", "=cmd|' /C calc'!A0", strings.Repeat("x", 1<<16), "unknown"}))
	rapid.Check(t, func(rt *rapid.T) {
		path, agent, reason, message, free := hostile.Draw(rt, "path"), hostile.Draw(rt, "user agent"), hostile.Draw(rt, "error"), hostile.Draw(rt, "message"), hostile.Draw(rt, "free")
		if _, err := e.FileAccess(t.Context(), emit.User("alice"), emit.Read, path, emit.Failure, emit.UserAgent(agent), emit.Because(errors.New(reason)), emit.Message(message),
			emit.With(attribute.String("free", free), attribute.StringSlice("list", []string{"a", free}), attribute.KeyValue{Key: "map", Value: attribute.MapValue(attribute.String(free, free))},
				attribute.KeyValue{Key: "slice", Value: attribute.SliceValue(attribute.StringValue(free))})); err != nil {
			if free == "" && strings.Contains(err.Error(), "no key") {
				return
			}
			rt.Fatal(err)
		}
		got := m.mapped(t)
		// text is a string that went into a member, exact bytes and all.
		text := func(member, key, want string) string {
			if raw, ok := got.Metadata.Get("audit.raw." + key); ok {
				return string(raw.([]byte))
			}
			assert.True(rt, utf8.ValidString(want), "%s: no bytes", key)
			return member
		}
		if p := text(got.ResourceID, "audit.target.id", path); p != path && (path != "" || p != "unknown") {
			rt.Errorf("path %q, want %q", p, path)
		}
		assert.Equal(rt, agent, text(got.UserAgent, "user_agent.original", agent), "user agent")
		assert.Equal(rt, reason, text(got.ErrorMessage, "exception.message", reason), "error")
		// value is a string within a value.
		value := func(v any) string {
			if b, ok := v.([]byte); ok {
				return string(b)
			}
			s, _ := v.(string)
			return s
		}
		assert.Equal(rt, message, value(got.Body), "body")
		one := func(key string) any { v, _ := got.Metadata.Get(key); return v }
		list, _ := one("list").([]any)
		slice, _ := one("slice").([]any)
		entries, _ := one("map").(event.Map)
		require.Len(rt, list, 2, "list")
		require.Len(rt, slice, 1, "list")
		require.Len(rt, entries, 1, "list")
		for _, v := range []any{one("free"), list[1], slice[0], entries[0].Value} {
			assert.Equal(rt, free, value(v), v)
		}
	})
}
