// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
	"github.com/otel-auditlog/auditlogexporter/witness/client"
)

// openWitnesses makes a client for each witness, and says by what key they must know
// the log.
func (e *auditExporter) openWitnesses(k keys) (all []rotation.Witness, err error) {
	for i, w := range e.config.Witnesses {
		key, err := witness.ParseKey(w.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("witnesses[%d]::public_key: %w", i, err)
		}
		one, err := client.New(w.URL, key)
		if err != nil {
			return nil, fmt.Errorf("witnesses[%d]::url: %w", i, err)
		}
		e.witnesses = append(e.witnesses, one)
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, nil
	}
	known := k.signer.Public()
	if k.checkpoint != nil && k.checkpoint.Public().Algorithm() == signing.Ed25519 {
		known = k.checkpoint.Public()
	}
	vkey, err := known.VKey(e.config.Origin)
	if err != nil {
		return nil, err
	}
	e.logger.Info("The audit log has witnesses. Their operators must know it by this key",
		zap.Int("witnesses", len(all)), zap.String("origin", e.config.Origin), zap.String("vkey", vkey))
	return all, nil
}
