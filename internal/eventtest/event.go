// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
)

const Minimal = `{"category":"system_health","event_id":"e","level":"info","metadata":{},"operation":"o","resource_id":"r","resource_type":"t","success":null,"timestamp":"2026-11-23T10:15:00.000000000Z"}`

// With returns the minimal event with members added, or replaced, in order.
func With(members ...string) string {
	all := strings.Split(strings.Trim(Minimal, "{}"), ",")
	for _, m := range members {
		name, _, _ := strings.Cut(m, ":")
		all = slices.DeleteFunc(all, func(s string) bool { return strings.HasPrefix(s, name+":") })
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b string) int {
		a, _, _ = strings.Cut(a, ":")
		b, _, _ = strings.Cut(b, ":")
		return strings.Compare(strings.Trim(a, `"`), strings.Trim(b, `"`))
	})
	return "{" + strings.Join(all, ",") + "}"
}

// Vector is a log record and its event with the default mapping. The records bear
// an id and a time, so that their events are determined.
type Vector struct {
	Name string `json:"name"`
	// OTLP is a LogsData message in protobuf (in JSON: base64).
	OTLP  []byte `json:"otlp"`
	Event string `json:"event"`
}

// VectorsFile returns the path of the vectors from the directory of the test.
func VectorsFile(t testing.TB) string {
	t.Helper()
	for up := "."; len(up) < 10; up = filepath.Join(up, "..") {
		path := filepath.Join(up, "testdata", "event", "vectors.json")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatal("testdata/event/vectors.json is not found")
	return ""
}

func Vectors(t testing.TB) (all []Vector) {
	t.Helper()
	b, err := os.ReadFile(VectorsFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Seed adds the vectors, an event of the log's own, and what is nearly an event.
func Seed(f *testing.F) {
	for _, v := range Vectors(f) {
		f.Add([]byte(v.Event))
	}
	f.Add(ownevent.AppendOwn(nil, ownevent.Own{ID: "i", Time: time.Unix(1, 2), Origin: "o", Level: event.LevelInfo, Action: "opened", Detail: []byte(`{"action":"opened"}`)}))
	f.Add([]byte(With(`"ingress":{"result":"unsigned"}`)))
	f.Add([]byte(With(`"replaced":{"first":"{","last":"}","length":2,"sha256":"` + strings.Repeat("0a", 32) + `"}`)))
	f.Add([]byte(Minimal))
	f.Add([]byte(Minimal + " "))
	f.Add([]byte(Minimal[:len(Minimal)-1]))
}
