// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Status says what became of checking a record's proof.
type Status string

// The statuses.
const (
	// Verified: a trusted producer's key made the proof, over this record.
	Verified Status = "verified"
	// Failed: the record bears a proof that does not hold.
	Failed Status = "failed"
	// Unsigned: the record bears no proof.
	Unsigned Status = "unsigned"
	// UnknownKey: the key that the record means is not trusted.
	UnknownKey Status = "unknown_key"
	// Unsupported: the proof is of a kind that cannot be checked here, which says
	// nothing of whether it is good.
	Unsupported Status = "unsupported"
)

// Statuses returns all statuses.
func Statuses() []Status { return []Status{Verified, Failed, Unsigned, UnknownKey, Unsupported} }

// Reason says, in a word, why a status is what it is.
type Reason string

// The reasons.
const (
	// Of Failed.
	ReasonSignature          Reason = "signature"
	ReasonMalformed          Reason = "malformed"
	ReasonOversized          Reason = "oversized"
	ReasonDuplicateKey       Reason = "duplicate_key"
	ReasonCertificateTime    Reason = "certificate_time"
	ReasonCertificateUsage   Reason = "certificate_usage"
	ReasonAlgorithmNotForKey Reason = "algorithm_not_for_key"
	// Of Unsupported.
	ReasonSeveralProofs    Reason = "several_proofs"
	ReasonCanonicalization Reason = "canonicalization"
	ReasonAlgorithm        Reason = "algorithm"
	ReasonKeyReference     Reason = "key_reference"
	ReasonNotUTF8          Reason = "not_utf8"
	ReasonNotFinite        Reason = "not_finite"
	ReasonTooDeep          Reason = "too_deep"
	ReasonTooLarge         Reason = "too_large"
)

// reasonTexts say for people what the words mean.
var reasonTexts = map[Reason]string{
	ReasonSignature:          "the signature or MAC is not of this record, or not by the key that the record means",
	ReasonMalformed:          "an attribute of the proof is not in the form that it must have",
	ReasonOversized:          "an attribute of the proof is longer than any can be",
	ReasonDuplicateKey:       "an attribute, or a key of a map, is there twice: what was signed cannot be told",
	ReasonCertificateTime:    "the producer's certificate is not valid now",
	ReasonCertificateUsage:   "the producer's certificate is not one for signatures",
	ReasonAlgorithmNotForKey: "the key that the record means does not serve the algorithm that it names",
	ReasonSeveralProofs:      "there is more than one proof",
	ReasonCanonicalization:   "audit.integrity.canonicalization names another form than jcs",
	ReasonAlgorithm:          "audit.integrity.algorithm of the resource is missing or none of ES256, EdDSA, RS256, RS512, HMAC-SHA256",
	ReasonKeyReference:       "audit.integrity.certificate of the resource is neither a certificate nor its SHA-256 fingerprint, or stands beside a MAC",
	ReasonNotUTF8:            "a text is not UTF-8",
	ReasonNotFinite:          "a number is not finite",
	ReasonTooDeep:            "a value is nested too deeply",
	ReasonTooLarge:           "its canonical form is larger than 2 MiB",
}

func (r Reason) text() string { return reasonTexts[r] }

// Result is what became of checking a record's proof. No part of it is text of the
// record's.
type Result struct {
	Status Status
	// Reason is empty if the status says all.
	Reason Reason
	// Producer is the name that the configuration gives to whom the key belongs; empty
	// if no key was found.
	Producer string
	// KeyID is the key's id: the first 8 bytes of SHA-256 of its SubjectPublicKeyInfo,
	// in hex. A secret has none.
	KeyID string
	// Algorithm is the one that the proof was checked with.
	Algorithm Algorithm
}

// resultJSON is a result as an event has it, its members in canonical order.
type resultJSON struct {
	Algorithm Algorithm `json:"algorithm,omitempty"`
	Form      string    `json:"form,omitempty"`
	KeyID     string    `json:"key_id,omitempty"`
	Producer  string    `json:"producer,omitempty"`
	Reason    Reason    `json:"reason,omitempty"`
	Result    Status    `json:"result"`
}

// AppendJSON appends the result as the member "ingress" of an event, in canonical form
// (RFC 8785).
func (r Result) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	member := func(name, value string) {
		if value != "" {
			dst = append(append(append(append(dst, '"'), name...), `":"`...), value...)
			dst = append(dst, '"', ',')
		}
	}
	member("algorithm", string(r.Algorithm))
	if r.Status == Verified || r.Reason == ReasonSignature {
		member("form", FormName)
	}
	member("key_id", r.KeyID)
	member("producer", r.Producer)
	member("reason", string(r.Reason))
	member("result", string(r.Status))
	dst[len(dst)-1] = '}'
	return dst
}

// ParseResult reads the member "ingress" of an event.
func ParseResult(b []byte) (Result, error) {
	var j resultJSON
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return Result{}, fmt.Errorf("read the member ingress of an event: %w", err)
	}
	r := Result{Status: j.Result, Reason: j.Reason, Producer: j.Producer, KeyID: j.KeyID, Algorithm: j.Algorithm}
	if !slices.Contains(Statuses(), r.Status) {
		return Result{}, fmt.Errorf("read the member ingress of an event: unknown result %.40q", j.Result)
	}
	return r, nil
}

// ProducerOf reads the member "ingress" of an event, which may have none, for whose good
// proof its record bears; empty if there is none.
func ProducerOf(b []byte) (string, error) {
	if b == nil {
		return "", nil
	}
	r, err := ParseResult(b)
	if err != nil || r.Status != Verified {
		return "", err
	}
	return r.Producer, nil
}

// RefusedError is that a record's proof was asked for, and is not good.
type RefusedError struct{ Result Result }

func (e *RefusedError) Error() string {
	var why string
	switch r := e.Result; r.Status {
	case Unsigned:
		why = "unsigned: it bears no audit.integrity.value: have its producer sign it, or set ingress_verification to mark"
	case UnknownKey:
		why = "unknown_key: no producer of the configuration has the key that it means: add the producer's key or certificate to producers"
	default:
		why = fmt.Sprintf("%s (%s): %s", r.Status, r.Reason, r.Reason.text())
	}
	return "ingress_verification: refuse: the record is " + why
}
