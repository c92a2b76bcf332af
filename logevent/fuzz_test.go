// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logevent_test

import (
	"reflect"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/eventjson"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// What is read is written as it was read, but for what is passed over and for texts of others,
// which are cut: so writing what was read twice makes no difference.
func FuzzParse(f *testing.F) {
	for _, one := range said {
		f.Add([]byte(one.log))
	}
	f.Add([]byte(`{"action":"later","before":"x"}`))
	f.Add([]byte(`{"a":[],"action":"pruned","segments":[{}]}`))
	f.Fuzz(func(t *testing.T, log []byte) {
		e, err := logevent.Parse(log)
		if err != nil {
			if !reflect.DeepEqual(e, logevent.Event{Action: e.Action}) {
				t.Errorf("%q is refused, and yet read as %+v", log, e)
			}
			return
		}
		if !e.Action.Known() {
			return
		}
		once := ownevent.Append(nil, &e, "id", now, "o")
		var sum eventjson.Summary
		if err := eventjson.Scan(once, &sum); err != nil {
			t.Fatalf("%q is read as %+v, which no reader takes: %v", log, e, err)
		}
		again, err := logevent.Parse(sum.Log)
		if err != nil {
			t.Fatalf("%q is read as %+v, and that is written as %s: %v", log, e, sum.Log, err)
		}
		if twice := ownevent.Append(nil, &again, "id", now, "o"); string(twice) != string(once) {
			t.Errorf("%s\nis written again as\n%s", once, twice)
		}
	})
}
