// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import "github.com/otel-auditlog/auditlogexporter/internal/member"

// Level is how grave an event is.
type Level string

// The levels, in the order of the model.
const (
	LevelDebug    Level = "debug"
	LevelInfo     Level = "info"
	LevelWarning  Level = "warning"
	LevelSecurity Level = "security"
	LevelError    Level = "error"
	LevelCritical Level = "critical"
)

// Levels returns all levels.
func Levels() []Level {
	return []Level{LevelDebug, LevelInfo, LevelWarning, LevelSecurity, LevelError, LevelCritical}
}

// Category is what part of a system's life an event belongs to.
type Category string

// The categories.
const (
	CategoryAgentLifecycle    Category = "agent_lifecycle"
	CategorySessionManagement Category = "session_management"
	CategoryAuthentication    Category = "authentication"
	CategoryAuthorization     Category = "authorization"
	CategoryCryptographic     Category = "cryptographic"
	CategoryFileSystem        Category = "file_system"
	CategoryCommunication     Category = "communication"
	CategorySystemHealth      Category = "system_health"
	CategoryErrorHandling     Category = "error_handling"
	CategoryPerformance       Category = "performance"
)

// Categories returns all categories.
func Categories() []Category {
	return []Category{
		CategoryAgentLifecycle, CategorySessionManagement, CategoryAuthentication, CategoryAuthorization, CategoryCryptographic,
		CategoryFileSystem, CategoryCommunication, CategorySystemHealth, CategoryErrorHandling, CategoryPerformance,
	}
}

// Outcome is whether what the event tells of succeeded.
type Outcome uint8

// The outcomes. The zero value is that nobody said.
const (
	OutcomeUnknown = Outcome(member.Unknown)
	OutcomeSuccess = Outcome(member.Succeeded)
	OutcomeFailure = Outcome(member.Failed)
)
