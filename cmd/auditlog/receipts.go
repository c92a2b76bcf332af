// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/verify"
)

// loadReceipts reads the files of receipts that a flag or an argument names, and those in
// directories; nil if there are none.
func loadReceipts(what string, paths []string) (*verify.ReceiptSet, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	files, err := filesOf(what, paths, func(name string) bool {
		return strings.HasPrefix(name, "receipts-") && strings.HasSuffix(name, ".jsonl")
	})
	if err != nil {
		return nil, err
	}
	all := &verify.ReceiptSet{}
	for _, path := range files {
		if err := loadReceiptFile(all, path); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	return all, nil
}

func loadReceiptFile(all *verify.ReceiptSet, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return all.Read(path, f)
}
