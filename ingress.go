// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
)

// IngressVerification says whether the proofs that producers put on records are checked.
type IngressVerification string

const (
	// IngressOff does not look at them.
	IngressOff IngressVerification = "off"
	// IngressMark says in each event what came of it.
	IngressMark IngressVerification = "mark"
	// IngressRefuse refuses, for good, each record that has no good proof.
	IngressRefuse IngressVerification = "refuse"
)

// ProducerConfig names a producer whose proofs are trusted, and the file of its key:
// exactly one.
type ProducerConfig struct {
	// Name is what events call it.
	Name string `mapstructure:"name"`
	// PublicKeyFile is a public key in PEM: P-256, Ed25519 or RSA.
	PublicKeyFile string `mapstructure:"public_key_file"`
	// CertificateFile is an X.509 certificate in PEM: the producer's own, or that of an
	// authority that issues producers' certificates.
	CertificateFile string `mapstructure:"certificate_file"`
	// HMACKeyFile is a secret of 32 bytes or more, in base64.
	HMACKeyFile string `mapstructure:"hmac_key_file"`
}

func (p ProducerConfig) source() ingress.Source {
	path := func(file string) string {
		if file == "" {
			return ""
		}
		return absolute(file)
	}
	return ingress.Source{Name: p.Name, PublicKeyFile: path(p.PublicKeyFile), CertificateFile: path(p.CertificateFile), HMACKeyFile: path(p.HMACKeyFile)}
}

func (c *Config) validateIngress(p *problems) {
	switch mode := c.IngressVerification; mode {
	case IngressOff:
		if len(c.Producers) > 0 {
			p.add("producers", "their proofs are not checked, because ingress_verification is %s: write %s or %s there, or remove the producers", IngressOff, IngressMark, IngressRefuse)
		}
	case IngressMark, IngressRefuse:
		if len(c.Producers) == 0 {
			p.add("producers", "ingress_verification is %s, and nobody is trusted: name a producer and its key, such as {name: shop, public_key_file: /etc/otelcol/shop.pub.pem}", mode)
		}
	default:
		p.add("ingress_verification", "unknown word %q: write %s, %s or %s", mode, IngressOff, IngressMark, IngressRefuse)
	}
	if n := len(c.Producers); n > ingress.MaxProducers {
		p.add("producers", "%d are more than %d: have an authority issue their certificates, and name that", n, ingress.MaxProducers)
	}
	first := map[string]int{}
	for i, producer := range c.Producers {
		key := fmt.Sprintf("producers[%d]", i)
		if err := producer.source().Validate(); err != nil {
			p.add(key, "%w", err)
		}
		if other, again := first[producer.Name]; again {
			p.add(key, "the name %q is that of producers[%d] already: give each a name of its own", producer.Name, other)
			continue
		}
		first[producer.Name] = i
	}
}

// openProducers loads the keys of trusted producers; nil if proofs are not checked.
func openProducers(c *Config) (*ingress.Verifier, error) {
	if c.IngressVerification == IngressOff {
		return nil, nil
	}
	sources := make([]ingress.Source, len(c.Producers))
	for i, p := range c.Producers {
		sources[i] = p.source()
	}
	v, err := ingress.Load(sources, nil)
	if err != nil {
		return nil, fmt.Errorf("producers: %w", err)
	}
	return v, nil
}

// checkProof checks the proof of the record at hand, for its event to say what came of
// it.
func (w *worker) checkProof() error {
	w.proof = w.checker.Check(w.record)
	w.proofJSON = w.proof.AppendJSON(w.proofJSON[:0])
	w.encoder.SetIngress(w.proofJSON)
	if w.exporter.config.IngressVerification == IngressRefuse && w.proof.Status != ingress.Verified {
		return &ingress.RefusedError{Result: w.proof}
	}
	return nil
}

// producer returns whose proof the record at hand bears; empty if it has no good one.
func (w *worker) producer() string {
	if w.checker == nil || w.proof.Status != ingress.Verified {
		return ""
	}
	return w.proof.Producer
}

// producerOf returns whose good proof the record of an event in canonical JSON bears;
// empty if there is none.
func producerOf(canonical []byte) (string, error) {
	if !bytes.Contains(canonical, []byte(`"ingress":`)) { // as in most logs
		return "", nil
	}
	var s event.Summary
	if err := event.Scan(canonical, &s); err != nil {
		return "", err
	}
	return ingress.ProducerOf(s.Ingress)
}

// statuses are those of ingress, in a fixed order.
var statuses = ingress.Statuses()

// proofCounts counts records by what came of their proofs.
type proofCounts [5]atomic.Int64

func (c *proofCounts) count(s ingress.Status) { c[slices.Index(statuses, s)].Add(1) }
