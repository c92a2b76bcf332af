// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package member

import (
	"strconv"

	"github.com/otel-auditlog/auditlogexporter/internal/tagged"
)

// AppendOptional appends a member that is a string value, and a comma, or nothing if it is
// empty. The name comes in quotes, with the colon.
func AppendOptional(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	dst = append(dst, name...)
	dst = tagged.AppendString(dst, s)
	return append(dst, ',')
}

// AppendCount appends a member that is a number, and a comma, or nothing if it is 0.
func AppendCount(dst []byte, name string, n uint32) []byte {
	if n == 0 {
		return dst
	}
	dst = append(dst, name...)
	dst = strconv.AppendUint(dst, uint64(n), 10)
	return append(dst, ',')
}

// AppendID appends a member that is an id in hex, and a comma. The name comes with the quote
// that begins the value.
func AppendID(dst []byte, name string, id []byte) []byte {
	dst = append(dst, name...)
	dst = tagged.AppendHex(dst, id)
	return append(dst, `",`...)
}

// AppendEntityRef appends an element of a resource's entity_refs.
func AppendEntityRef(dst []byte, descriptionKeys, idKeys []string, schemaURL, kind string) []byte {
	dst = append(dst, '{')
	start := len(dst)
	dst = appendStrings(dst, `"description_keys":`, descriptionKeys)
	dst = appendStrings(dst, `"id_keys":`, idKeys)
	dst = AppendOptional(dst, `"schema_url":`, schemaURL)
	dst = AppendOptional(dst, `"type":`, kind)
	return tagged.CloseObject(dst, start)
}

func appendStrings(dst []byte, name string, all []string) []byte {
	if len(all) == 0 {
		return dst
	}
	dst = append(dst, name...)
	dst = AppendList(dst, len(all), func(dst []byte, i int) []byte { return tagged.AppendString(dst, all[i]) })
	return append(dst, ',')
}

// AppendList appends an array of n elements.
func AppendList(dst []byte, n int, element func(dst []byte, i int) []byte) []byte {
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = element(dst, i)
	}
	return append(dst, ']')
}

// CloseOptional ends an object like [tagged.CloseObject], with a comma, or takes back its
// opening if it has no members.
func CloseOptional(dst []byte, start int, opening string) []byte {
	if len(dst) == start {
		return dst[:start-len(opening)]
	}
	return append(tagged.CloseObject(dst, start), ',')
}
