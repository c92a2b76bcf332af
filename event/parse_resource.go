// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

// attributes reads a map that is never tagged.
func (d *decoder) attributes() (Map, error) {
	if d.Peek() != '{' {
		return nil, d.Fail("an object expected")
	}
	return d.entries()
}

func (d *decoder) resource(r *Resource) error {
	return d.Object(func(key []byte) (err error) {
		switch string(key) {
		case "attributes":
			r.Attributes, err = d.attributes()
		case "dropped_attributes_count":
			r.DroppedAttributesCount, err = d.count()
		case "entity_refs":
			err = d.Array(func() error { return d.entityRef(r) })
		case "schema_url":
			r.SchemaURL, err = d.string()
		default:
			err = d.Fail(unknownMember)
		}
		return err
	})
}

func (d *decoder) entityRef(r *Resource) error {
	var ref EntityRef
	err := d.Object(func(key []byte) (err error) {
		switch string(key) {
		case "description_keys":
			ref.DescriptionKeys, err = d.strings()
		case "id_keys":
			ref.IDKeys, err = d.strings()
		case "schema_url":
			ref.SchemaURL, err = d.string()
		case "type":
			ref.Type, err = d.string()
		default:
			err = d.Fail(unknownMember)
		}
		return err
	})
	r.EntityRefs = append(r.EntityRefs, ref)
	return err
}

func (d *decoder) strings() (all []string, err error) {
	err = d.Array(func() error {
		s, err := d.string()
		all = append(all, s)
		return err
	})
	return all, err
}

func (d *decoder) scope(s *Scope) error {
	return d.Object(func(key []byte) (err error) {
		switch string(key) {
		case "attributes":
			s.Attributes, err = d.attributes()
		case "dropped_attributes_count":
			s.DroppedAttributesCount, err = d.count()
		case "name":
			s.Name, err = d.string()
		case "schema_url":
			s.SchemaURL, err = d.string()
		case "version":
			s.Version, err = d.string()
		default:
			err = d.Fail(unknownMember)
		}
		return err
	})
}
