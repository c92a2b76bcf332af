// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// object appends the members of an object, in the order they are given, and
// leaves nothing behind if there are none.
type object struct {
	dst   []byte
	start int
	empty int
}

func newObject(dst []byte, name string) object {
	o := object{start: len(dst)}
	o.dst = append(append(dst, name...), '{')
	o.empty = len(o.dst)
	return o
}

func (o *object) name(name string) {
	if len(o.dst) > o.empty {
		o.dst = append(o.dst, ',')
	}
	o.dst = append(o.dst, name...)
}

func (o *object) text(name, s string) {
	if s != "" {
		o.name(name)
		o.dst = appendString(o.dst, s)
	}
}

func (o *object) count(name string, n uint32) {
	if n != 0 {
		o.name(name)
		o.dst = appendInt(o.dst, int64(n))
	}
}

// close returns what was appended, with a comma if there is anything.
func (o *object) close() []byte {
	if len(o.dst) == o.empty {
		return o.dst[:o.start]
	}
	return append(o.dst, '}', ',')
}

func (e *Encoder) encodeResource(dst []byte, r pcommon.Resource, schemaURL string) []byte {
	o := newObject(dst, `"resource":`)
	if r.Attributes().Len() > 0 {
		o.name(`"attributes":`)
		o.dst = e.appendMap(o.dst, r.Attributes(), 0)
	}
	o.count(`"dropped_attributes_count":`, r.DroppedAttributesCount())
	if refs := entity.ResourceEntityRefs(r); refs.Len() > 0 {
		o.name(`"entity_refs":`)
		o.dst = appendEntityRefs(o.dst, refs)
	}
	o.text(`"schema_url":`, schemaURL)
	return o.close()
}

func appendEntityRefs(dst []byte, refs entity.EntityRefSlice) []byte {
	dst = append(dst, '[')
	for i := range refs.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		ref := refs.At(i)
		o := newObject(dst, "")
		o.strings(`"description_keys":`, ref.DescriptionKeys())
		o.strings(`"id_keys":`, ref.IdKeys())
		o.text(`"schema_url":`, ref.SchemaUrl())
		o.text(`"type":`, ref.Type())
		dst = append(o.dst, '}')
	}
	return append(dst, ']')
}

func (o *object) strings(name string, s pcommon.StringSlice) {
	if s.Len() == 0 {
		return
	}
	o.name(name)
	o.dst = append(o.dst, '[')
	for i := range s.Len() {
		if i > 0 {
			o.dst = append(o.dst, ',')
		}
		o.dst = appendString(o.dst, s.At(i))
	}
	o.dst = append(o.dst, ']')
}

func (e *Encoder) encodeScope(dst []byte, s pcommon.InstrumentationScope, schemaURL string) []byte {
	o := newObject(dst, `"scope":`)
	if s.Attributes().Len() > 0 {
		o.name(`"attributes":`)
		o.dst = e.appendMap(o.dst, s.Attributes(), 0)
	}
	o.count(`"dropped_attributes_count":`, s.DroppedAttributesCount())
	o.text(`"name":`, s.Name())
	o.text(`"schema_url":`, schemaURL)
	o.text(`"version":`, s.Version())
	return o.close()
}
