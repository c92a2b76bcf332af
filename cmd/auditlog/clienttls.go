// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// tlsFlags say whom to trust at the other end of a connection, and who is calling.
type tlsFlags struct{ ca, cert, key string }

func (f *tlsFlags) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.ca, "ca-file", "", "trust the certificates in this `FILE` (PEM), and no other, to sign the receiver's")
	flags.StringVar(&f.cert, "client-cert-file", "", "`FILE` with the certificate (PEM) to show to the receiver")
	flags.StringVar(&f.key, "client-key-file", "", "`FILE` with the private key (PEM) of that certificate")
}

func (f *tlsFlags) load() (*tls.Config, error) {
	config := new(tls.Config)
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file %s: there is no certificate in PEM in it", f.ca)
		}
	}
	switch {
	case f.cert == "" && f.key == "":
	case f.cert == "" || f.key == "":
		return nil, errors.New("give both --client-cert-file and --client-key-file, or neither")
	default:
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("--client-cert-file, --client-key-file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
