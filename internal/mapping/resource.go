// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"

	"github.com/otel-auditlog/auditlogexporter/internal/member"
)

// appendResource appends the member resource and a comma, or nothing if there is
// nothing to say.
func (e *Encoder) appendResource(dst []byte, r pcommon.Resource, schemaURL string) []byte {
	dst = append(dst, `"resource":{`...)
	start := len(dst)
	dst = e.appendAttributes(dst, r.Attributes())
	dst = member.AppendCount(dst, `"dropped_attributes_count":`, r.DroppedAttributesCount())
	if refs := entity.ResourceEntityRefs(r); refs.Len() > 0 {
		dst = append(dst, `"entity_refs":`...)
		dst = member.AppendList(dst, refs.Len(), func(dst []byte, i int) []byte {
			ref := refs.At(i)
			return member.AppendEntityRef(dst, ref.DescriptionKeys().AsRaw(), ref.IdKeys().AsRaw(), ref.SchemaUrl(), ref.Type())
		})
		dst = append(dst, ',')
	}
	dst = member.AppendOptional(dst, `"schema_url":`, schemaURL)
	return member.CloseOptional(dst, start, `"resource":{`)
}

// appendScope appends the member scope and a comma, or nothing if there is nothing
// to say.
func (e *Encoder) appendScope(dst []byte, s pcommon.InstrumentationScope, schemaURL string) []byte {
	dst = append(dst, `"scope":{`...)
	start := len(dst)
	dst = e.appendAttributes(dst, s.Attributes())
	dst = member.AppendCount(dst, `"dropped_attributes_count":`, s.DroppedAttributesCount())
	dst = member.AppendOptional(dst, `"name":`, s.Name())
	dst = member.AppendOptional(dst, `"schema_url":`, schemaURL)
	dst = member.AppendOptional(dst, `"version":`, s.Version())
	return member.CloseOptional(dst, start, `"scope":{`)
}

func (e *Encoder) appendAttributes(dst []byte, m pcommon.Map) []byte {
	if m.Len() == 0 {
		return dst
	}
	dst = append(dst, `"attributes":`...)
	dst = e.appendMap(dst, m, 0)
	return append(dst, ',')
}
