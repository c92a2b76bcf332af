// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package emit

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// Record is a log record of the Logs API or of the SDK.
type Record interface {
	WalkAttributes(func(attribute.KeyValue) bool)
}

// Check is for whoever is about to deliver a record that was emitted with ctx. If it is
// the event of the call to [Emitter.Emit] that ctx comes from, id is what [Report] wants
// to be told; for other records it is empty.
//
// err is not nil if an attribute of the event is shorter than it was: a limit of the
// provider's has cut it, without a word. Such an event is not to be delivered, for
// whatever is cut from an id, a path or an address is lost for good. What processors have
// added to the event, replaced or taken away on purpose is no error.
func Check(ctx context.Context, record Record) (id string, err error) {
	r, ok := ctx.Value(receiptKey{}).(*receipt)
	if !ok {
		return "", nil
	}
	before := map[attribute.Key]attribute.Value{}
	r.record.WalkAttributes(func(kv attribute.KeyValue) bool {
		before[kv.Key] = kv.Value
		return true
	})
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		switch was, emitted := before[kv.Key]; {
		case kv.Key == RecordIDKey && strings.HasPrefix(r.id, kv.Value.AsString()):
			id = r.id // however much of it is left
			if kv.Value.AsString() != r.id {
				err = shortenedError(kv.Key)
			}
		case err == nil && emitted && shortened(was, kv.Value):
			err = shortenedError(kv.Key)
		}
		return true
	})
	if id == "" {
		return "", nil
	}
	return id, err
}

func shortenedError(key attribute.Key) error {
	return fmt.Errorf("the log provider's limit has shortened the attribute %q: raise sdklog.WithAttributeValueLengthLimit (OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT)", key)
}

// shortened reports whether a value has lost its end, or one within it has.
func shortened(was, is attribute.Value) bool {
	if was.Type() != is.Type() {
		return false
	}
	switch was.Type() {
	case attribute.STRING:
		return cut(was.AsString(), is.AsString())
	case attribute.BYTESLICE:
		return cut(string(was.AsByteSlice()), string(is.AsByteSlice()))
	case attribute.STRINGSLICE:
		return anyOf(was.AsStringSlice(), is.AsStringSlice(), cut)
	case attribute.SLICE:
		return anyOf(was.AsSlice(), is.AsSlice(), shortened)
	case attribute.MAP:
		return anyOf(was.AsMap(), is.AsMap(), func(was, is attribute.KeyValue) bool {
			return was.Key == is.Key && shortened(was.Value, is.Value)
		})
	default:
		return false
	}
}

// cut reports whether a text has lost its end. One that is empty was emptied on purpose.
func cut(was, is string) bool {
	return is != "" && len(is) < len(was) && strings.HasPrefix(was, is)
}

// anyOf reports whether any two values at the same place are found by f.
func anyOf[T any](was, is []T, f func(was, is T) bool) bool {
	for i := range min(len(was), len(is)) {
		if f(was[i], is[i]) {
			return true
		}
	}
	return false
}
