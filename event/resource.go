// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// appendResource appends the member resource and a comma, or nothing if there is
// nothing to say.
func (e *Encoder) appendResource(dst []byte, r pcommon.Resource, schemaURL string) []byte {
	dst = append(dst, `"resource":{`...)
	start := len(dst)
	dst = e.appendAttributes(dst, r.Attributes())
	dst = appendCount(dst, `"dropped_attributes_count":`, r.DroppedAttributesCount())
	if refs := entity.ResourceEntityRefs(r); refs.Len() > 0 {
		dst = append(dst, `"entity_refs":`...)
		dst = appendList(dst, refs.Len(), func(dst []byte, i int) []byte {
			ref := refs.At(i)
			return appendEntityRef(dst, ref.DescriptionKeys().AsRaw(), ref.IdKeys().AsRaw(), ref.SchemaUrl(), ref.Type())
		})
		dst = append(dst, ',')
	}
	dst = appendOptional(dst, `"schema_url":`, schemaURL)
	return closeOptional(dst, start, `"resource":{`)
}

// appendScope appends the member scope and a comma, or nothing if there is nothing
// to say.
func (e *Encoder) appendScope(dst []byte, s pcommon.InstrumentationScope, schemaURL string) []byte {
	dst = append(dst, `"scope":{`...)
	start := len(dst)
	dst = e.appendAttributes(dst, s.Attributes())
	dst = appendCount(dst, `"dropped_attributes_count":`, s.DroppedAttributesCount())
	dst = appendOptional(dst, `"name":`, s.Name())
	dst = appendOptional(dst, `"schema_url":`, schemaURL)
	dst = appendOptional(dst, `"version":`, s.Version())
	return closeOptional(dst, start, `"scope":{`)
}

func (e *Encoder) appendAttributes(dst []byte, m pcommon.Map) []byte {
	if m.Len() == 0 {
		return dst
	}
	dst = append(dst, `"attributes":`...)
	dst = e.appendMap(dst, m, 0)
	return append(dst, ',')
}

func appendEntityRef(dst []byte, descriptionKeys, idKeys []string, schemaURL, kind string) []byte {
	dst = append(dst, '{')
	start := len(dst)
	dst = appendStrings(dst, `"description_keys":`, descriptionKeys)
	dst = appendStrings(dst, `"id_keys":`, idKeys)
	dst = appendOptional(dst, `"schema_url":`, schemaURL)
	dst = appendOptional(dst, `"type":`, kind)
	return closeObject(dst, start)
}

func appendStrings(dst []byte, name string, all []string) []byte {
	if len(all) == 0 {
		return dst
	}
	dst = append(dst, name...)
	dst = appendList(dst, len(all), func(dst []byte, i int) []byte { return appendString(dst, all[i]) })
	return append(dst, ',')
}

// appendList appends an array of n elements.
func appendList(dst []byte, n int, element func(dst []byte, i int) []byte) []byte {
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = element(dst, i)
	}
	return append(dst, ']')
}

// closeOptional ends an object like closeObject, with a comma, or takes back its
// opening if it has no members.
func closeOptional(dst []byte, start int, opening string) []byte {
	if len(dst) == start {
		return dst[:start-len(opening)]
	}
	return append(closeObject(dst, start), ',')
}
