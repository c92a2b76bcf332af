// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/collector/component"

	"github.com/otel-auditlog/auditlogexporter/signing"
)

// originFor returns the origin of the log of a component, which differs from that of any
// other component of the collector: a key must not sign two logs of one origin.
func originFor(c *Config, id component.ID) string {
	if c.Origin != "" {
		return c.Origin
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return defaultOrigin(host, id)
}

// defaultOrigin makes an origin of the machine's name and the component's, whatever those
// consist of.
func defaultOrigin(host string, id component.ID) string {
	if host == "" {
		host = "localhost"
	}
	name := "auditlog"
	if id.Name() != "" {
		name += "-" + id.Name()
	}
	origin := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r == '+' || r == '{' || r == '/' || unicode.IsSpace(r) || unicode.IsControl(r) {
			return '-'
		}
		return r
	}, host) + "/" + strings.Map(func(r rune) rune {
		if r == '+' || r == '/' || unicode.IsSpace(r) || unicode.IsControl(r) {
			return '-'
		}
		return r
	}, name)
	if signing.ValidateOrigin(origin) != nil {
		return "localhost/auditlog"
	}
	return origin
}

func (c *Config) validateOrigin(p *problems) {
	if c.Origin == "" {
		return
	}
	if err := signing.ValidateOrigin(c.Origin); err != nil {
		p.add("origin", "%w: write a name such as host.example.com/auditlog", err)
	} else if emptyPart(c.Origin) {
		p.add("origin", "%q has an empty part, as a variable that is not set leaves it: set the variable, or write a name such as host.example.com/auditlog", c.Origin)
	}
}

// emptyPart reports whether there is nothing before, between or after the slashes of a
// name.
func emptyPart(name string) bool { return slices.Contains(strings.Split(name, "/"), "") }
