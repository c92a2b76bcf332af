// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package configvalues refuses values of a configuration that confmap would take for
// something else without a word: a duration without a unit, which it takes for
// nanoseconds, and a fraction or a negative number where a whole number belongs, which it
// cuts off or turns into a huge one.
package configvalues

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"go.opentelemetry.io/collector/confmap"

	"github.com/otel-auditlog/auditlogexporter/internal/duration"
)

// Unmarshal decodes a configuration into the struct that into points to, after it has
// checked each value against the type of its field. The error names each wrong value by
// its path, and what to write. Durations may be whole days: 90d.
//
// It is for the Unmarshal method of a configuration: confmap does not call that again.
func Unmarshal(conf *confmap.Conf, into any) error {
	w := walker{days: map[string]any{}}
	w.walk(nil, conf.ToStringMap(), reflect.TypeOf(into).Elem())
	if err := errors.Join(w.wrong...); err != nil {
		return err
	}
	// Only what is changed is merged: the other values keep what confmap knows of them,
	// such as the text of an environment variable.
	for path, value := range w.days {
		if err := conf.Merge(nested(path, value)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return conf.Unmarshal(into)
}

func nested(path string, value any) *confmap.Conf {
	keys := strings.Split(path, confmap.KeyDelimiter)
	for i := len(keys) - 1; i >= 0; i-- {
		value = map[string]any{keys[i]: value}
	}
	return confmap.NewFromStringMap(value.(map[string]any))
}

// Keys calls f with the path and the type of each duration and each whole number in a
// configuration of type t. Elements of lists have the path of the list and [0].
func Keys(t reflect.Type, f func(path string, t reflect.Type)) { keys(nil, t, f) }

func keys(path []string, t reflect.Type, f func(string, reflect.Type)) {
	t = inner(t)
	switch {
	case t == durationType, isWhole(t.Kind()):
		f(strings.Join(path, confmap.KeyDelimiter), t)
	case t.Kind() == reflect.Slice:
		if len(path) > 0 {
			last := len(path) - 1
			keys(append(path[:last:last], path[last]+"[0]"), t.Elem(), f)
		}
	case t.Kind() == reflect.Struct:
		for name, field := range fields(t) {
			keys(append(path[:len(path):len(path)], name), field, f)
		}
	}
}

var durationType = reflect.TypeFor[time.Duration]()

type walker struct {
	wrong []error
	days  map[string]any // what to write instead, by path
}

func (w *walker) walk(path []string, value any, t reflect.Type) {
	t = inner(t)
	switch {
	case t == durationType:
		w.duration(path, value)
	case isWhole(t.Kind()):
		w.whole(path, value, t)
	case t.Kind() == reflect.Slice:
		list, _ := value.([]any)
		for i, element := range list {
			last := len(path) - 1
			w.walk(append(path[:last:last], fmt.Sprintf("%s[%d]", path[last], i)), element, t.Elem())
		}
	case t.Kind() == reflect.Struct:
		values, _ := value.(map[string]any)
		if len(values) == 0 {
			return
		}
		for name, field := range fields(t) {
			if v, ok := values[name]; ok {
				w.walk(append(path[:len(path):len(path)], name), v, field)
			}
		}
	}
}

func (w *walker) add(path []string, format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Errorf("%s: %w", strings.Join(path, confmap.KeyDelimiter), fmt.Errorf(format, args...)))
}

func (w *walker) duration(path []string, value any) {
	text, isText := value.(string)
	n, isNumber := number(value)
	if isText {
		n, isNumber = duration.Bare(text)
	}
	switch {
	case isNumber && n == 0:
	case isNumber:
		w.add(path, "%w", duration.NoUnit(value))
	case isText:
		d, ok, err := duration.Days(text)
		switch {
		case err != nil:
			w.add(path, "%w", err)
		case !ok:
			if _, err := duration.Parse(text); err != nil {
				w.add(path, "%w", err)
			}
		case strings.Contains(strings.Join(path, ""), "["):
			w.add(path, "%s: write the days in hours: %.0fh", text, d.Hours())
		default:
			w.days[strings.Join(path, confmap.KeyDelimiter)] = d.String()
		}
	}
}

func (w *walker) whole(path []string, value any, t reflect.Type) {
	n, ok := number(value)
	switch {
	case !ok: // confmap refuses what is no number
	case math.IsNaN(n), math.Abs(n) >= 1<<63: // which no type of ours or upstream's holds
		w.add(path, "%v is no number that can be counted with: write a whole one that is smaller", value)
	case n > 0 && n < 1: // not 0, which often means that there is no limit
		w.add(path, "%v is not a whole number: write 1 or a larger one", value)
	case n != math.Trunc(n):
		w.add(path, "%v is not a whole number: write %.0f or %.0f", value, math.Floor(n), math.Ceil(n))
	case n < 0 && t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		w.add(path, "%v is negative: write 0 or a larger number", value)
	}
}

func number(value any) (float64, bool) {
	v := reflect.ValueOf(value)
	switch {
	case !v.IsValid():
		return 0, false
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanUint():
		return float64(v.Uint()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}

func isWhole(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Uint64 }

// inner returns the type within pointers and optional values.
func inner(t reflect.Type) reflect.Type {
	for {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
			continue
		}
		get, ok := reflect.PointerTo(t).MethodByName("Get")
		if !ok || t.Kind() != reflect.Struct || !strings.HasSuffix(t.PkgPath(), "/configoptional") || get.Type.NumOut() != 1 {
			return t
		}
		t = get.Type.Out(0)
	}
}

// fields yields the keys of a struct and the types of their values, those of squashed
// structs included.
func fields(t reflect.Type) func(yield func(string, reflect.Type) bool) {
	return func(yield func(string, reflect.Type) bool) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("mapstructure"), ",")
			switch {
			case strings.Contains(options, "squash"):
				for name, t := range fields(inner(f.Type)) {
					if !yield(name, t) {
						return
					}
				}
			case name == "" || name == "-" || !f.IsExported():
			case !yield(name, f.Type):
				return
			}
		}
	}
}
