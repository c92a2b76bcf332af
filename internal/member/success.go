// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package member

import "github.com/otel-auditlog/auditlogexporter/internal/jcs"

// Outcome is what the member success says. The zero value is that nobody said.
type Outcome uint8

// The outcomes.
const (
	Unknown Outcome = iota
	Succeeded
	Failed
)

// Word returns the draft Audit Logging signal's word for the outcome.
func (o Outcome) Word() string {
	switch o {
	case Succeeded:
		return "success"
	case Failed:
		return "failure"
	default:
		return "unknown"
	}
}

// JSON returns the outcome as the member success has it.
func (o Outcome) JSON() string {
	switch o {
	case Succeeded:
		return "true"
	case Failed:
		return "false"
	default:
		return "null"
	}
}

// ReadOutcome reads the value of success.
func ReadOutcome(r *jcs.Reader) (Outcome, error) {
	switch r.Peek() {
	case 't':
		return Succeeded, r.Literal("true")
	case 'f':
		return Failed, r.Literal("false")
	default:
		return Unknown, r.Literal("null")
	}
}
