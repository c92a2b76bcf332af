// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package eventtest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// Dump writes down all that a record says, so that two records have the same dump
// only if they are equal. Maps are put in order of their keys, because OTLP gives
// their order no meaning; entries with the same key keep theirs.
func Dump(logs plog.Logs) string {
	var b strings.Builder
	rl := logs.ResourceLogs().At(0)
	sl := rl.ScopeLogs().At(0)
	r := sl.LogRecords().At(0)
	fmt.Fprintf(&b, "resource %s %d %q\n", dumpMap(rl.Resource().Attributes()), rl.Resource().DroppedAttributesCount(), rl.SchemaUrl())
	refs := entity.ResourceEntityRefs(rl.Resource())
	for i := range refs.Len() {
		ref := refs.At(i)
		fmt.Fprintf(&b, "entity %q %q %q %q\n", ref.SchemaUrl(), ref.Type(), ref.IdKeys().AsRaw(), ref.DescriptionKeys().AsRaw())
	}
	fmt.Fprintf(&b, "scope %s %q %q %d %q\n", dumpMap(sl.Scope().Attributes()), sl.Scope().Name(), sl.Scope().Version(), sl.Scope().DroppedAttributesCount(), sl.SchemaUrl())
	fmt.Fprintf(&b, "record %d %d %d %q %q %d %d %s %s\nbody %s\nattributes %s\n", r.Timestamp(), r.ObservedTimestamp(), r.SeverityNumber(), r.SeverityText(), r.EventName(),
		r.DroppedAttributesCount(), r.Flags(), r.TraceID(), r.SpanID(), dumpValue(r.Body()), dumpMap(r.Attributes()))
	return b.String()
}

func dumpMap(m pcommon.Map) string {
	type entry struct{ key, value string }
	var all []entry
	for k, v := range m.All() {
		all = append(all, entry{k, dumpValue(v)})
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	var b strings.Builder
	b.WriteByte('{')
	for _, e := range all {
		fmt.Fprintf(&b, "%q=%s;", e.key, e.value)
	}
	b.WriteByte('}')
	return b.String()
}

func dumpValue(v pcommon.Value) string {
	switch v.Type() {
	case pcommon.ValueTypeDouble:
		return fmt.Sprintf("double %016x", math.Float64bits(v.Double()))
	case pcommon.ValueTypeBytes:
		return fmt.Sprintf("bytes %x", v.Bytes().AsRaw())
	case pcommon.ValueTypeSlice:
		var b strings.Builder
		b.WriteByte('[')
		for _, e := range v.Slice().All() {
			b.WriteString(dumpValue(e))
			b.WriteByte(';')
		}
		b.WriteByte(']')
		return b.String()
	case pcommon.ValueTypeMap:
		return "map " + dumpMap(v.Map())
	default:
		return fmt.Sprintf("%s %q", v.Type(), v.AsString())
	}
}
