// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress

import (
	"encoding/base64"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// The attributes of a proof: of the record, and of its resource.
const (
	attributeValue            = integrityPrefix + "value"
	attributeCanonicalization = integrityPrefix + "canonicalization"
	attributeAlgorithm        = integrityPrefix + "algorithm"
	attributeCertificate      = integrityPrefix + "certificate"
)

// canonicalizationJCS is the one canonicalization that is supported, and what the draft
// has a verifier assume if a record names none.
const canonicalizationJCS = "jcs"

const (
	// maxValueBytes is beyond the longest signature: RSA of maxRSABits, in base64.
	maxValueBytes = 2048
	// maxCertificateBytes is beyond certificates that producers have, in base64.
	maxCertificateBytes = 16 << 10
)

// Checker checks the proofs of records, for one goroutine at a time.
type Checker struct {
	verifier *Verifier
	form     Form
	text     []byte // of the record at hand
	proof    []byte

	// What the resource says: the algorithm, and either the keys that it may mean, or
	// what is the result for each of its records that bears a proof.
	algorithm Algorithm
	keys      []*trusted
	certain   bool // keys is one, and the resource names it
	verdict   Result
	latest    issued
}

// NewChecker returns a checker.
func (v *Verifier) NewChecker() *Checker { return &Checker{verifier: v} }

// SetResource sets the resource of the records that follow. It keeps nothing of r.
func (c *Checker) SetResource(r pcommon.Resource) {
	c.algorithm, c.keys, c.certain, c.verdict = "", c.keys[:0], false, Result{}
	algorithm, certificate := attribute{}, attribute{}
	for k, v := range r.Attributes().All() {
		switch k {
		case attributeAlgorithm:
			algorithm.see(v)
		case attributeCertificate:
			certificate.see(v)
		}
	}
	c.verdict = c.resolve(algorithm, certificate)
}

// attribute is one attribute of a proof.
type attribute struct {
	times int
	value pcommon.Value // the first
}

func (a *attribute) see(v pcommon.Value) {
	if a.times == 0 {
		a.value = v
	}
	a.times++
}

// text returns the attribute's text, or what is wrong with it.
func (a *attribute) text(limit int) (string, Reason) {
	switch {
	case a.times == 0:
		return "", ""
	case a.times > 1:
		return "", ReasonDuplicateKey
	case a.value.Type() != pcommon.ValueTypeStr || a.value.Str() == "":
		return "", ReasonMalformed
	case len(a.value.Str()) > limit:
		return "", ReasonOversized
	}
	return a.value.Str(), ""
}

// resolve finds the keys that the resource may mean. A result with a status is that of
// all its records that bear a proof.
func (c *Checker) resolve(algorithm, certificate attribute) Result {
	name, wrong := algorithm.text(maxValueBytes)
	if wrong != "" {
		return Result{Status: Failed, Reason: wrong}
	}
	if c.algorithm = algorithmOf(name); c.algorithm == "" {
		return Result{Status: Unsupported, Reason: ReasonAlgorithm}
	}
	reference, wrong := certificate.text(maxCertificateBytes)
	switch {
	case wrong != "":
		return Result{Status: Failed, Reason: wrong}
	case reference == "":
		return c.resolveByAlgorithm()
	case c.algorithm == HMACSHA256: // the draft forbids it
		return Result{Status: Unsupported, Reason: ReasonKeyReference}
	default:
		return c.resolveReference(reference)
	}
}

// resolveByAlgorithm takes all keys that serve the algorithm.
func (c *Checker) resolveByAlgorithm() Result {
	for i := range c.verifier.trusted {
		t := &c.verifier.trusted[i]
		if t.key.serves(c.algorithm) {
			c.keys = append(c.keys, t)
		}
	}
	if len(c.keys) == 0 {
		return Result{Status: UnknownKey}
	}
	return Result{}
}

// Check checks a record's proof.
func (c *Checker) Check(r plog.LogRecord) Result {
	value, canonicalization, more := attribute{}, attribute{}, false
	for k, v := range r.Attributes().All() {
		switch {
		case !strings.HasPrefix(k, integrityPrefix):
		case k == attributeValue:
			value.see(v)
		case k == attributeCanonicalization:
			canonicalization.see(v)
		case strings.HasPrefix(k, attributeValue+"."): // as SDKs without lists write several
			more = true
		}
	}
	switch {
	case value.times == 0 && !more:
		return Result{Status: Unsigned}
	case more, value.times == 1 && value.value.Type() == pcommon.ValueTypeSlice:
		return Result{Status: Unsupported, Reason: ReasonSeveralProofs}
	}
	text, wrong := value.text(maxValueBytes)
	if wrong != "" {
		return Result{Status: Failed, Reason: wrong}
	}
	form, wrong := canonicalization.text(maxValueBytes)
	switch {
	case wrong == ReasonDuplicateKey:
		return Result{Status: Failed, Reason: wrong}
	case wrong != "", form != "" && form != canonicalizationJCS:
		return Result{Status: Unsupported, Reason: ReasonCanonicalization}
	case c.verdict.Status != "":
		return c.verdict
	}
	return c.check(r, text)
}

// check checks the proof itself.
func (c *Checker) check(r plog.LogRecord, value string) Result {
	var err error
	// The decoder skips line ends, which would give one proof many forms.
	if c.proof, err = base64.StdEncoding.Strict().AppendDecode(c.proof[:0], []byte(value)); err != nil || strings.ContainsAny(value, "\r\n") {
		return Result{Status: Failed, Reason: ReasonMalformed}
	}
	if c.text, err = c.form.Append(c.text[:0], r); err != nil {
		return withoutForm(err)
	}
	defer func() {
		if cap(c.text) > maxKeptBytes {
			c.text = nil
		}
	}()
	result := Result{Status: Failed, Reason: ReasonSignature, Algorithm: c.algorithm}
	if c.certain {
		result.Producer, result.KeyID = c.keys[0].producer, c.keys[0].key.id
	}
	for _, t := range c.keys {
		if !t.key.verify(c.algorithm, c.text, c.proof) {
			continue
		}
		result.Producer, result.KeyID = t.producer, t.key.id
		if wrong := c.verifier.objection(t.certificate); wrong != "" {
			result.Reason = wrong
			return result
		}
		result.Status, result.Reason = Verified, ""
		return result
	}
	return result
}

// maxKeptBytes keeps one huge record from holding its memory for ever.
const maxKeptBytes = 64 << 10

// withoutForm is the result for a record that has no canonical form.
func withoutForm(err error) Result {
	formError, ok := err.(*FormError)
	if !ok {
		return Result{Status: Unsupported}
	}
	if formError.Reason == ReasonDuplicateKey {
		return Result{Status: Failed, Reason: ReasonDuplicateKey}
	}
	return Result{Status: Unsupported, Reason: formError.Reason}
}
