// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import "github.com/otel-auditlog/auditlogexporter/internal/stage"

// admit asks the stages about a group, and keeps what they have the log say.
func (l *Log) admit(g *group) *stage.Admission {
	calls := make([]*stage.Call, len(g.calls))
	for i, c := range g.calls {
		calls[i] = &c.Call
	}
	a := stage.NewAdmission(l.commits+1, l.opts.Now(), calls...)
	for _, s := range l.opts.Stages {
		s.Admit(a)
	}
	return a
}

// settle tells the stages what became of what they have admitted.
func (l *Log) settle(a *stage.Admission, durable bool) {
	for _, s := range l.opts.Stages {
		s.Settle(a.Commit, durable)
	}
}

// forget has the stages forget what they know of the log.
func (l *Log) forget() {
	for _, s := range l.opts.Stages {
		s.Forget()
	}
}
