// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Mapping says which attributes of a log record the members of an event are
// taken from. Of each list the first attribute that is set counts. An empty list
// means that the member is never taken from an attribute.
type Mapping struct {
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
	Categories map[string]Category `mapstructure:"categories"`
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

// DefaultMapping follows the draft OpenTelemetry Audit Logging signal and the
// semantic conventions, deprecated names that are still sent included.
func DefaultMapping() Mapping {
	return Mapping{
		EventID:   []string{"audit.record.id", "log.record.uid"},
		Level:     []string{"audit.level"},
		Category:  []string{"audit.category"},
		Operation: []string{"audit.action", "audit.operation"},
		Resources: []ResourcePair{
			{Type: "audit.target.type", ID: "audit.target.id"},
			{Type: "audit.resource.type", ID: "audit.resource.id"},
		},
		Targets: []Target{
			{"file.path", "file"},
			{"db.collection.name", "db_collection"},
			{"db.namespace", "database"},
			{"gen_ai.tool.name", "tool"},
			{"messaging.destination.name", "messaging_destination"},
			{"rpc.method", "rpc_method"},
			{"url.path", "url"},
			{"url.full", "url"},
			{"process.executable.path", "process"},
			{"k8s.pod.name", "k8s_pod"},
			{"container.id", "container"},
			{"cloud.resource_id", "cloud_resource"},
		},
		ActorType:      []string{"audit.actor.type"},
		ActorID:        []string{"audit.actor.id"},
		UserID:         []string{"user.id", "enduser.id"},
		AgentID:        []string{"gen_ai.agent.id", "agent.id"},
		SessionID:      []string{"session.id"},
		Success:        []string{"audit.outcome", "audit.success"},
		ErrorType:      []string{"error.type", "exception.type"},
		HTTPStatusCode: []string{"http.response.status_code", "http.status_code"},
		ErrorMessage:   []string{"exception.message", "error.message", "error.type"},
		SourceIP:       []string{"audit.source.id", "client.address", "source.address", "network.peer.address", "http.client_ip", "net.peer.ip"},
		UserAgent:      []string{"user_agent.original", "http.user_agent"},
		EventName:      []string{"event.name"},
		Categories:     defaultCategories(),
	}
}

// defaultCategories tells the category by the first words of an event's name.
func defaultCategories() map[string]Category {
	table := map[Category]string{
		CategoryAgentLifecycle:    "agent process service app device.app browser gen_ai.agent invoke_agent create_agent deployment container k8s",
		CategorySessionManagement: "session user.session",
		CategoryAuthentication:    "auth authentication authn login logout logon logoff signin signout mfa password credential sso sshd user.login user.logout user.authentication session.login",
		CategoryAuthorization:     "authorization authz access permission role policy privilege sudo acl iam grant user.role user.permission",
		CategoryCryptographic:     "crypto cryptographic key certificate cert tls secret signature encryption kms",
		CategoryFileSystem:        "file file_system filesystem directory fs volume",
		CategoryCommunication:     "communication network http https rpc grpc dns email message messaging webhook connection request response gen_ai.client",
		CategorySystemHealth:      "system health host cpu memory disk heartbeat config configuration",
		CategoryErrorHandling:     "error exception fault crash panic failure",
		CategoryPerformance:       "performance perf latency throughput slow profile benchmark",
	}
	prefixes := make(map[string]Category)
	for category, words := range table {
		for word := range strings.FieldsSeq(words) {
			prefixes[word] = category
		}
	}
	return prefixes
}

// Validate reports what is wrong with the mapping, naming each key.
func (m Mapping) Validate() error {
	var errs []error
	for key, list := range m.lists() {
		for i, name := range *list {
			if name == "" {
				errs = append(errs, fmt.Errorf("%s[%d]: the attribute name is empty: remove it", key, i))
			}
			if slices.Contains((*list)[:i], name) {
				errs = append(errs, fmt.Errorf("%s[%d]: %q is in the list twice: remove one", key, i, name))
			}
		}
	}
	for i, p := range m.Resources {
		if p.Type == "" || p.ID == "" {
			errs = append(errs, fmt.Errorf("resources[%d]: name both attributes, type and id", i))
		}
	}
	for i, t := range m.Targets {
		if t.Attribute == "" || t.Type == "" {
			errs = append(errs, fmt.Errorf("targets[%d]: give both the attribute and the type of the resource it names", i))
		}
	}
	for prefix, category := range m.Categories {
		if prefix == "" || strings.HasPrefix(prefix, ".") || strings.HasSuffix(prefix, ".") {
			errs = append(errs, fmt.Errorf("categories[%s]: a prefix is one or more words with dots between them, such as user.login", prefix))
		}
		if !slices.Contains(Categories(), category) {
			errs = append(errs, fmt.Errorf("categories[%s]: unknown category %q: use one of %v", prefix, category, Categories()))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// lists returns the attribute lists by their keys.
func (m *Mapping) lists() map[string]*[]string {
	return map[string]*[]string{
		"event_id": &m.EventID, "level": &m.Level, "category": &m.Category, "operation": &m.Operation,
		"actor_type": &m.ActorType, "actor_id": &m.ActorID, "user_id": &m.UserID, "agent_id": &m.AgentID,
		"session_id": &m.SessionID, "success": &m.Success, "error_type": &m.ErrorType,
		"http_status_code": &m.HTTPStatusCode, "error_message": &m.ErrorMessage, "source_ip": &m.SourceIP,
		"user_agent": &m.UserAgent, "event_name": &m.EventName,
	}
}
