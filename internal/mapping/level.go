// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"strings"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// levelWords are the words that producers use for levels.
var levelWords = map[string]event.Level{
	"trace": event.LevelDebug, "debug": event.LevelDebug,
	"info": event.LevelInfo, "information": event.LevelInfo, "notice": event.LevelInfo,
	"warn": event.LevelWarning, "warning": event.LevelWarning,
	"security": event.LevelSecurity,
	"err":      event.LevelError, "error": event.LevelError,
	"fatal": event.LevelCritical, "critical": event.LevelCritical, "emergency": event.LevelCritical, "alert": event.LevelCritical,
}

// levelOf returns the level that a word stands for, in any case.
func levelOf(word string) (event.Level, bool) {
	if level, ok := levelWords[word]; ok {
		return level, true
	}
	level, ok := levelWords[strings.ToLower(word)]
	return level, ok
}

// levelOfSeverity returns the level for an OTLP severity number, or "".
func levelOfSeverity(n int32) event.Level {
	switch {
	case n < 1 || n > 24:
		return ""
	case n <= 8:
		return event.LevelDebug
	case n <= 12:
		return event.LevelInfo
	case n <= 16:
		return event.LevelWarning
	case n <= 20:
		return event.LevelError
	default:
		return event.LevelCritical
	}
}
