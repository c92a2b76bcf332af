// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package emit

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
)

// RecordIDKey is the attribute that holds an event's id.
const RecordIDKey = "audit.record.id"

// rawPrefix begins the names of attributes that hold the exact bytes of a string that
// is not UTF-8.
const rawPrefix = "audit.raw."

const (
	replacement = "\uFFFD"
	unknownID   = "unknown"
)

var (
	errNoName  = errors.New("it has no name: set Event.Name, such as user.login")
	errNoActor = errors.New("its actor has a type and no id: give the id, use emit.Anonymous for somebody who is not known, or leave Event.Actor empty")
	errBadID   = errors.New("its id is not UTF-8, so that OTLP cannot carry it: leave Event.ID empty for a new one, or give the one that an earlier call returned")
)

// The times that OTLP and the SDK can carry: any other would arrive as none or as another.
var (
	firstTime = time.Unix(0, 1)
	lastTime  = time.Unix(0, math.MaxInt64)
)

// record is the log record for the event.
func (ev *Event) record() (log.Record, error) {
	var r log.Record
	if ev.Name == "" {
		return r, errNoName
	}
	if !utf8.ValidString(ev.ID) {
		return r, errBadID
	}
	if ev.Actor.Type != "" && ev.Actor.ID == "" {
		return r, errNoActor
	}
	at := ev.Time
	if at.IsZero() {
		at = time.Now()
	}
	if at.Before(firstTime) || at.After(lastTime) {
		return r, fmt.Errorf("its time is %s, and OTLP carries those from %s to %s: set Event.Time to one of them, or not at all", at, firstTime.UTC(), lastTime.UTC())
	}
	r.SetTimestamp(at)
	r.SetEventName(toUTF8(ev.Name))
	level := ev.level()
	r.SetSeverity(severities[level])
	r.SetSeverityText(strings.ToUpper(toUTF8(string(level))))
	if ev.Message != "" {
		r.SetBody(textValue(ev.Message))
	}
	a := ev.attributes(level)
	if err := a.check(); err != nil {
		return r, err
	}
	r.AddAttributes(a...)
	return r, nil
}

// level is the level of the event, told from the rest if it is not set: as the
// exporter's mapping does with records that state none. It is empty, and left to that
// mapping, if the category is, too.
func (ev *Event) level() Level {
	switch {
	case ev.Level != "":
		return ev.Level
	case ev.Category == "":
		return ""
	case ev.Outcome == Failure && (ev.Category == CategoryAuthentication || ev.Category == CategoryAuthorization):
		return LevelSecurity
	default:
		return LevelInfo
	}
}

// severities are the nearest that OTLP has to the levels. It has none for security,
// which therefore, as any level of a caller's own, is sent as an attribute, too.
var severities = map[Level]log.Severity{
	LevelDebug:    log.SeverityDebug,
	LevelInfo:     log.SeverityInfo,
	LevelWarning:  log.SeverityWarn,
	LevelSecurity: log.SeverityWarn2,
	LevelError:    log.SeverityError,
	LevelCritical: log.SeverityFatal,
}

// attributes is a record's attributes.
type attributes []attribute.KeyValue

// attributes lists what identifies the event first: a provider that limits the number
// of attributes drops the last.
func (ev *Event) attributes(level Level) attributes {
	a := make(attributes, 0, 16+len(ev.Attributes))
	a.text(RecordIDKey, ev.ID)
	a.text("audit.actor.id", orUnknown(ev.Actor.ID))
	a.text("audit.actor.type", string(ev.Actor.Type))
	a.text("audit.action", string(ev.Action))
	a.text("audit.outcome", orUnknown(string(ev.Outcome)))
	a.text("audit.category", string(ev.Category))
	if level == LevelSecurity || severities[level] == log.SeverityUndefined {
		a.text("audit.level", string(level))
	}
	if ev.Target != (Target{}) {
		a.text("audit.target.type", orUnknown(ev.Target.Type))
		a.text("audit.target.id", orUnknown(ev.Target.ID))
	}
	if ev.Source != "" {
		a.text("audit.source.id", ev.Source)
		a.text("audit.source.type", sourceType(ev.Source))
	}
	a.text("session.id", ev.Session)
	a.text("gen_ai.agent.id", ev.AgentID)
	a.text("gen_ai.agent.name", ev.AgentName)
	a.text("user_agent.original", ev.UserAgent)
	a.text("exception.message", ev.Error)
	for _, kv := range ev.Attributes {
		a = append(a, keyValue(kv))
	}
	return a
}

func orUnknown(s string) string {
	if s == "" {
		return unknownID
	}
	return s
}

// sourceType says of what form a source is, in the draft's words.
func sourceType(source string) string {
	switch addr, err := netip.ParseAddr(source); {
	case err != nil:
		return "hostname"
	case addr.Is4():
		return "ipv4"
	default:
		return "ipv6"
	}
}

// text adds an attribute, unless its value is empty.
func (a *attributes) text(key, value string) {
	if value == "" {
		return
	}
	*a = append(*a, attribute.String(key, toUTF8(value)))
	if !utf8.ValidString(value) {
		*a = append(*a, attribute.ByteSlice(rawPrefix+key, []byte(value)))
	}
}

// check reports keys that most providers would drop without a word: empty ones, and
// those that occur twice.
func (a attributes) check() error {
	seen := make(map[attribute.Key]struct{}, len(a))
	for _, kv := range a {
		if kv.Key == "" {
			return errors.New("an attribute has no key: give it one")
		}
		if _, again := seen[kv.Key]; again {
			return fmt.Errorf("the attribute %q is there twice: rename one in Event.Attributes, or use the field of Event that is sent as it", kv.Key)
		}
		seen[kv.Key] = struct{}{}
		if err := checkMaps(kv.Value); err != nil {
			return fmt.Errorf("the attribute %q: %w", kv.Key, err)
		}
	}
	return nil
}

// checkMaps does the same for maps within a value.
func checkMaps(v attribute.Value) error {
	switch v.Type() {
	case attribute.MAP:
		return attributes(v.AsMap()).check()
	case attribute.SLICE:
		for _, element := range v.AsSlice() {
			if err := checkMaps(element); err != nil {
				return err
			}
		}
	}
	return nil
}
