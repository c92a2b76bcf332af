// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import "strings"

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

// levelWords are the words that producers use for levels.
var levelWords = map[string]Level{
	"trace": LevelDebug, "debug": LevelDebug,
	"info": LevelInfo, "information": LevelInfo, "notice": LevelInfo,
	"warn": LevelWarning, "warning": LevelWarning,
	"security": LevelSecurity,
	"err":      LevelError, "error": LevelError,
	"fatal": LevelCritical, "critical": LevelCritical, "emergency": LevelCritical, "alert": LevelCritical,
}

// levelOf returns the level that a word stands for, in any case.
func levelOf(word string) (Level, bool) {
	if level, ok := levelWords[word]; ok {
		return level, true
	}
	level, ok := levelWords[strings.ToLower(word)]
	return level, ok
}

// levelOfSeverity returns the level for an OTLP severity number, or "".
func levelOfSeverity(n int32) Level {
	switch {
	case n < 1 || n > 24:
		return ""
	case n <= 8:
		return LevelDebug
	case n <= 12:
		return LevelInfo
	case n <= 16:
		return LevelWarning
	case n <= 20:
		return LevelError
	default:
		return LevelCritical
	}
}

// levels and categories are the lists that are searched; callers get copies.
var (
	levels     = Levels()
	categories = Categories()
)

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
	OutcomeUnknown Outcome = iota
	OutcomeSuccess
	OutcomeFailure
)

// word returns the draft Audit Logging signal's word for the outcome.
func (o Outcome) word() string {
	switch o {
	case OutcomeSuccess:
		return "success"
	case OutcomeFailure:
		return "failure"
	default:
		return "unknown"
	}
}

// json returns the outcome as the member "success" has it.
func (o Outcome) json() string {
	switch o {
	case OutcomeSuccess:
		return "true"
	case OutcomeFailure:
		return "false"
	default:
		return "null"
	}
}
