// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"strings"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// Default follows the draft OpenTelemetry Audit Logging signal and the
// semantic conventions, deprecated names that are still sent included.
func Default() Config {
	return Config{
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
func defaultCategories() map[string]event.Category {
	table := map[event.Category]string{
		event.CategoryAgentLifecycle:    "agent process service app device.app browser gen_ai.agent invoke_agent create_agent deployment container k8s",
		event.CategorySessionManagement: "session user.session",
		event.CategoryAuthentication:    "auth authentication authn login logout logon logoff signin signout mfa password credential sso sshd user.login user.logout user.authentication session.login",
		event.CategoryAuthorization:     "authorization authz access permission role policy privilege sudo acl iam grant user.role user.permission",
		event.CategoryCryptographic:     "crypto cryptographic key certificate cert tls secret signature encryption kms",
		event.CategoryFileSystem:        "file file_system filesystem directory fs volume",
		event.CategoryCommunication:     "communication network http https rpc grpc dns email message messaging webhook connection request response gen_ai.client",
		event.CategorySystemHealth:      "system health host cpu memory disk heartbeat config configuration",
		event.CategoryErrorHandling:     "error exception fault crash panic failure",
		event.CategoryPerformance:       "performance perf latency throughput slow profile benchmark",
	}
	prefixes := make(map[string]event.Category)
	for category, words := range table {
		for word := range strings.FieldsSeq(words) {
			prefixes[word] = category
		}
	}
	return prefixes
}
