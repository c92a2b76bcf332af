// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// Config is a mapping: it says which attributes of a log record the members of an event are
// taken from. Of each list the first attribute that is set counts. An empty list
// means that the member is never taken from an attribute.
type Config struct {
	EventID   []string `mapstructure:"event_id"`
	Level     []string `mapstructure:"level"`
	Category  []string `mapstructure:"category"`
	Operation []string `mapstructure:"operation"`
	// Resources are pairs of attributes that give resource_type and resource_id.
	Resources []ResourcePair `mapstructure:"resources"`
	// Targets are single attributes that name a resource of a known type.
	Targets   []Target `mapstructure:"targets"`
	ActorType []string `mapstructure:"actor_type"`
	ActorID   []string `mapstructure:"actor_id"`
	UserID    []string `mapstructure:"user_id"`
	AgentID   []string `mapstructure:"agent_id"`
	SessionID []string `mapstructure:"session_id"`
	Success   []string `mapstructure:"success"`
	// ErrorType are attributes whose presence means failure.
	ErrorType      []string `mapstructure:"error_type"`
	HTTPStatusCode []string `mapstructure:"http_status_code"`
	ErrorMessage   []string `mapstructure:"error_message"`
	SourceIP       []string `mapstructure:"source_ip"`
	UserAgent      []string `mapstructure:"user_agent"`
	// EventName are attributes that stand in for an empty LogRecord.EventName.
	EventName []string `mapstructure:"event_name"`
	// Categories maps prefixes of event names, in whole words between dots, to
	// categories. The longest prefix counts.
	Categories map[string]event.Category `mapstructure:"categories"`
	// Strict refuses records whose operation, resource type and resource id are
	// not stated, instead of using defaults.
	Strict bool `mapstructure:"strict"`
}

// ResourcePair names the attributes of a resource's type and id.
type ResourcePair struct {
	Type string `mapstructure:"type"`
	ID   string `mapstructure:"id"`
}

// Target is an attribute that holds the id of a resource of type Type.
type Target struct {
	Attribute string `mapstructure:"attribute"`
	Type      string `mapstructure:"type"`
}

// Validate reports what is wrong with the mapping, naming each key.
func (m Config) Validate() error {
	var errs []error
	for _, l := range m.lists() {
		for i, name := range l.names {
			switch {
			case name == "":
				errs = append(errs, fmt.Errorf("%s[%d]: the attribute name is empty: remove it", l.key, i))
			case slices.Contains(l.names[:i], name):
				errs = append(errs, fmt.Errorf("%s[%d]: %q is in the list twice: remove one", l.key, i, name))
			}
		}
	}
	for i, p := range m.Resources {
		if p.Type == "" || p.ID == "" {
			errs = append(errs, fmt.Errorf("resources[%d]: name both attributes, type and id", i))
		}
	}
	for i, t := range m.Targets {
		if t.Attribute == "" || t.Type == "" || !utf8.ValidString(t.Type) {
			errs = append(errs, fmt.Errorf("targets[%d]: give both the attribute and the type of the resource it names", i))
		}
	}
	for prefix, category := range m.Categories {
		if slices.Contains(strings.Split(prefix, "."), "") {
			errs = append(errs, fmt.Errorf("categories[%s]: a prefix is one or more words with dots between them, such as user.login", prefix))
		}
		if !slices.Contains(event.Categories(), category) {
			errs = append(errs, fmt.Errorf("categories[%s]: unknown category %q: use one of %v", prefix, category, event.Categories()))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// list is one of a mapping's lists of attributes.
type list struct {
	key   string
	role  role
	names []string
}

func (m *Config) lists() []list {
	return []list{
		{"event_id", roleEventID, m.EventID},
		{"level", roleLevel, m.Level},
		{"category", roleCategory, m.Category},
		{"operation", roleOperation, m.Operation},
		{"actor_type", roleActorType, m.ActorType},
		{"actor_id", roleActorID, m.ActorID},
		{"user_id", roleUserID, m.UserID},
		{"agent_id", roleAgentID, m.AgentID},
		{"session_id", roleSessionID, m.SessionID},
		{"success", roleSuccess, m.Success},
		{"error_type", roleErrorType, m.ErrorType},
		{"http_status_code", roleHTTPStatus, m.HTTPStatusCode},
		{"error_message", roleErrorMessage, m.ErrorMessage},
		{"source_ip", roleSourceIP, m.SourceIP},
		{"user_agent", roleUserAgent, m.UserAgent},
		{"event_name", roleEventName, m.EventName},
	}
}
