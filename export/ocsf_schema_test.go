// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ocsfSchema is the excerpt of the schema in testdata/ocsf-1.9.0.json, which says
// where it is from.
type ocsfSchema struct {
	Base    map[string]string
	Classes map[string]struct {
		ocsfObject
		Name         string
		Category     int
		CategoryName string `json:"category_name"`
		Activities   map[string]string
	}
	Objects map[string]ocsfObject
	// ObservableTypes are the captions of the types of observables.
	ObservableTypes map[string]string `json:"observable_types"`
}

type ocsfObject struct {
	Attributes map[string]string
	AtLeastOne []string `json:"at_least_one"`
	JustOne    []string `json:"just_one"`
}

func loadSchema(t *testing.T) *ocsfSchema {
	t.Helper()
	b, err := os.ReadFile("testdata/ocsf-1.9.0.json")
	require.NoError(t, err)
	s := new(ocsfSchema)
	require.NoError(t, json.Unmarshal(b, s))
	return s
}

// hostname is what the excerpt takes for the name of a host.
var hostname = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

// validate returns what is wrong with an event by the schema. Attributes that the
// excerpt does not have are wrong.
func (s *ocsfSchema) validate(line string) (wrong []string) {
	var e map[string]any
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		return []string{err.Error()}
	}
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	number := func(name string) int { n, _ := e[name].(float64); return int(n) }
	class, ok := s.Classes[strconv.Itoa(number("class_uid"))]
	if !ok {
		return append(wrong, fmt.Sprintf("unknown class %v", e["class_uid"]))
	}
	activity, ok := class.Activities[strconv.Itoa(number("activity_id"))]
	if !ok {
		say("class %s has no activity %v", class.Name, e["activity_id"])
	}
	if name, _ := e["activity_name"].(string); name == "" || number("activity_id") != 99 && name != activity {
		say("activity_name %q, want %q", name, activity)
	}
	// An activity that is none of the class's keeps its own name; its type is the class's Other.
	for name, want := range map[string]any{
		"category_uid": float64(class.Category), "category_name": class.CategoryName, "class_name": class.Name,
		"type_uid": float64(number("class_uid")*100 + number("activity_id")), "type_name": class.Name + ": " + activity,
	} {
		if e[name] != want {
			say("%s is %v, want %v", name, e[name], want)
		}
	}
	metadata, _ := e["metadata"].(map[string]any)
	if metadata["version"] != "1.9.0" {
		say("version %v", metadata["version"])
	}
	profiles := fmt.Sprint(metadata["profiles"])
	whole := ocsfObject{Attributes: map[string]string{}, AtLeastOne: class.AtLeastOne, JustOne: class.JustOne}
	for _, attributes := range []map[string]string{s.Base, class.Attributes} {
		for name, form := range attributes {
			whole.Attributes[name] = form
		}
	}
	return append(append(wrong, s.object("", whole, e, profiles)...), s.observables(e)...)
}

// observables returns what is wrong with an event's observables: each names an attribute of
// the event, has its value, and calls its type what the schema does.
func (s *ocsfSchema) observables(e map[string]any) (wrong []string) {
	list, _ := e["observables"].([]any)
	for _, one := range list {
		o, _ := one.(map[string]any)
		path, _ := o["name"].(string)
		var v any = e
		for name := range strings.SplitSeq(path, ".") {
			parent, _ := v.(map[string]any)
			v = parent[name]
		}
		if v == nil || v != o["value"] {
			wrong = append(wrong, fmt.Sprintf("observable %s is %v, the event has %v", path, o["value"], v))
		}
		if o["type"] != s.ObservableTypes[fmt.Sprint(o["type_id"])] {
			wrong = append(wrong, fmt.Sprintf("observable %s is of type %v, called %v", path, o["type_id"], o["type"]))
		}
	}
	return wrong
}

func (s *ocsfSchema) object(path string, o ocsfObject, v map[string]any, profiles string) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, path+": "+fmt.Sprintf(format, args...)) }
	for name, form := range o.Attributes {
		if head, _, _ := strings.Cut(form, " "); strings.HasSuffix(head, "!") && v[name] == nil {
			say("%s is required", name)
		}
	}
	has := func(names []string) (n int) {
		for _, name := range names {
			if v[name] != nil {
				n++
			}
		}
		return n
	}
	if o.AtLeastOne != nil && has(o.AtLeastOne) == 0 {
		say("none of %v", o.AtLeastOne)
	}
	if o.JustOne != nil && has(o.JustOne) != 1 {
		say("%d of %v", has(o.JustOne), o.JustOne)
	}
	for name, value := range v {
		form, ok := o.Attributes[name]
		if !ok {
			say("unknown attribute %s", name)
			continue
		}
		head, rest, _ := strings.Cut(form, " ")
		if profile, ok := strings.CutPrefix(rest, "profile:"); ok && !strings.Contains(profiles, profile) {
			say("%s is of the profile %s, but metadata.profiles is %s", name, profile, profiles)
		}
		values := []any{value}
		if strings.HasSuffix(head, "[]") {
			if values, ok = value.([]any); !ok || len(values) == 0 {
				say("%s is no list", name)
			}
		}
		kind := strings.TrimSuffix(strings.TrimSuffix(head, "!"), "[]")
		for _, one := range values {
			wrong = append(wrong, s.value(path+"."+name, kind, rest, one, profiles)...)
		}
	}
	return wrong
}

func (s *ocsfSchema) value(path, kind, rest string, v any, profiles string) []string {
	number, isNumber := v.(float64)
	text, isText := v.(string)
	object, isObject := v.(map[string]any)
	name, isObjectKind := strings.CutPrefix(kind, "object.")
	good := false
	switch {
	case kind == "any":
		good = true
	case kind == "string":
		good = isText && text != ""
	case kind == "hostname":
		good = isText && hostname.MatchString(text)
	case kind == "integer":
		good = isNumber && number == math.Trunc(number)
	case kind == "enum":
		good = isNumber && slices.Contains(strings.Fields(rest), strconv.FormatFloat(number, 'f', -1, 64))
	case isObjectKind && isObject:
		return s.object(path, s.Objects[name], object, profiles)
	}
	if !good {
		return []string{fmt.Sprintf("%s: %v is no %s %s", path, v, kind, rest)}
	}
	return nil
}

// The check of the schema finds what is wrong.
func TestSchemaCheck(t *testing.T) {
	s := loadSchema(t)
	good := `{"activity_id":99,"activity_name":"x","category_uid":0,"category_name":"Uncategorized","class_uid":0,"class_name":"Base Event","type_uid":99,"type_name":"Base Event: Other",` +
		`"severity_id":1,"time":1,"metadata":{"version":"1.9.0","product":{"name":"p"}}}`
	assert.Nil(t, s.validate(good))
	for old, new := range map[string]string{
		`"severity_id":1`:         `"severity_id":7`,
		`"severity_id":1,`:        ``,
		`"time":1`:                `"time":1.5`,
		`"time":1,`:               `"time":1,"device":{},`,
		`"name":"p"`:              `"version":"1"`,
		`"type_uid":99`:           `"type_uid":9`,
		`"class_uid":0`:           `"class_uid":9`,
		`"activity_id":99`:        `"activity_id":1`,
		`"version":"1.9.0"`:       `"version":""`,
		`Base Event: Other"`:      `Base Event: x"`,
		`"time":1,"`:              `"time":1,"observables":[{"name":"severity","type_id":2,"type":"IP Address","value":"1.2.3.4"}],"`,
		`"time":1,"m`:             `"time":1,"message":"m","observables":[{"name":"message","type_id":2,"type":"Hostname","value":"m"}],"m`,
		`"product":{"name":"p"}}`: `"product":{"name":"p"}},"attestation_list":[{"fingerprint":{"algorithm_id":3,"value":"x"}}]`,
	} {
		bad := strings.Replace(good, old, new, 1)
		assert.NotEqual(t, good, bad, "passed")
		assert.NotNil(t, s.validate(bad), "passed")
	}
}
