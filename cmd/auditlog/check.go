// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

type checkFlags struct {
	trustFlags
	originFlag
	asOf        asOfFlag
	witnesses   []string
	quorum      int
	json, quiet bool
}

func checkCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check the proof of one event, or receipts, alone and offline",
		Long: `check checks a proof that "auditlog prove" has written: that the event in it is in the
log, as the log's key signed it. It needs nothing but the file and the public key. Where
the log has changed its key since, the first key is enough: the proof leads from it to
the later ones. With --trust, what a key signed outside its bounds does not count. With
--witness the checkpoint must also bear the cosignatures of witnesses.

FILE may also hold receipts, one on each line, as an exporter with receipts writes them, or
be a directory of such files: then each of them must lead from its leaf, and from the id that
it names, to a checkpoint that the key has signed. Whether the log honors them, and holds the
events that they name, is for "auditlog verify DIR --receipts FILE".

FILE may be - for standard input.

Exit codes: 0 the proof holds; 1 it fails; 2 it could not be checked, or FILE is no proof, or
part of one.`,
		Example: `  auditlog check proof.txt --key audit-log-key.pub.pem
  auditlog check receipts.jsonl --key audit-log-key.pub.pem`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, args[0])
		},
	}
	f.trustFlags.addFlags(cmd)
	f.originFlag.addFlags(cmd)
	f.asOf.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.witnesses, "witness", nil, "`VKEY` of a witness, or a file that holds it (repeatable)")
	flags.IntVar(&f.quorum, "quorum", 0, "how many of the witnesses must have cosigned (default: all of them)")
	flags.BoolVar(&f.json, "json", false, "print what the proof shows as JSON")
	flags.BoolVar(&f.quiet, "quiet", false, "print nothing; the exit code tells")
	return cmd
}

func (f *checkFlags) run(cmd *cobra.Command, path string) (err error) {
	o, err := f.proofOptions(cmd.Context())
	if err != nil {
		return err
	}
	o.Quorum, o.Origin, o.AsOf = f.quorum, f.origin, f.asOf.value(cmd)
	if !f.given() {
		return errors.New("give the log's public key with --key, or with what bounds it with --trust")
	}
	if o.Witnesses, err = (&handed{ctx: cmd.Context()}).loadWitnesses(f.witnesses); err != nil {
		return err
	}
	if err := checkQuorum(f.quorum, o.Witnesses); err != nil {
		return err
	}
	if info, err := os.Stat(path); path != "-" && err == nil && info.IsDir() {
		all, err := (&handed{ctx: cmd.Context()}).loadReceipts("check", []string{path}, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		return f.checkReceipts(cmd, path, all, o)
	}
	in, err := openInput(cmd.Context(), cmd.InOrStdin(), path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() { err = errors.Join(err, in.close()) }()
	// A proof begins with its title, a receipt with a brace.
	if first, err := in.Peek(1); err == nil && first[0] == '{' {
		all := &receipt.Set{}
		if err := readReceipts(all, path, in); err != nil {
			return err
		}
		return f.checkReceipts(cmd, path, all, o)
	}
	text, err := in.all(proof.MaxBytes)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	p, err := proof.Check(text, o)
	switch {
	case errors.Is(err, proof.ErrFails):
		return f.fails(cmd, err)
	case errors.Is(err, proof.ErrNone):
		if changed := asSigned(text); changed != nil && bytes.HasPrefix(text, []byte("c2sp.org/")) {
			err = changed
		}
		return fmt.Errorf("%s: %w; it begins with %s", path, err, beginning(text))
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case f.quiet:
		return nil
	case f.json:
		return printProvenJSON(cmd.OutOrStdout(), p)
	default:
		return printProven(cmd.OutOrStdout(), p)
	}
}

// fails says why a proof fails.
func (f *checkFlags) fails(cmd *cobra.Command, why error) (err error) {
	reason := strings.TrimPrefix(why.Error(), proof.ErrFails.Error()+": ")
	switch {
	case f.quiet:
	case f.json:
		err = printFailedJSON(cmd.OutOrStdout(), reason)
	default:
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "THE PROOF FAILS: %s\n", plain(reason))
	}
	return errors.Join(err, errTampering)
}

// checkReceipts checks receipts.
func (f *checkFlags) checkReceipts(cmd *cobra.Command, path string, all *receipt.Set, o proof.Options) error {
	if len(o.Witnesses) > 0 {
		return errors.New("--witness: a receipt is written before a witness can have cosigned its checkpoint: check a proof, or the log, for cosignatures")
	}
	p, err := proof.CheckReceipts(all, o)
	switch {
	case errors.Is(err, proof.ErrFails):
		return f.fails(cmd, err)
	case errors.Is(err, verify.ErrWrongKey):
		return fmt.Errorf("%s: %w: where the log has changed its key, give all its keys, or check the log with verify --receipts", path, err)
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case f.quiet:
		return nil
	case f.json:
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		return enc.Encode(receiptsJSON{true, p.Receipts, p.Origins, p.SignedBy})
	default:
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "OK: %d receipts of the log %s, whose checkpoints are signed by %s\n", p.Receipts, values(p.Origins), keysSaid(p.SignedBy))
		return err
	}
}

// receiptsJSON is what receipts show, for programs.
type receiptsJSON struct {
	Valid    bool     `json:"valid"`
	Receipts int      `json:"receipts"`
	Origins  []string `json:"origins"`
	SignedBy []string `json:"signed_by"`
}

// provenJSON is what a proof shows, for programs.
type provenJSON struct {
	Valid         bool            `json:"valid"`
	Origin        string          `json:"origin"`
	Index         uint64          `json:"index"`
	TreeSize      uint64          `json:"tree_size"`
	RootHash      []byte          `json:"root_hash"`
	SignedBy      []string        `json:"signed_by"`
	EventSignedBy string          `json:"event_signed_by"`
	LaterKeysOnly bool            `json:"later_keys_only"`
	Cosigned      []string        `json:"cosigned_by"`
	Event         json.RawMessage `json:"event"`
}

func printProvenJSON(w io.Writer, p *proof.Proven) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	cosigned := p.Cosigned
	if cosigned == nil {
		cosigned = []string{}
	}
	return enc.Encode(provenJSON{true, p.Origin, p.Index, p.TreeSize, p.RootHash, p.SignedBy, p.EventSignedBy, p.LaterKeysOnly, cosigned, p.Event})
}

// printFailedJSON prints why a proof fails, for programs.
func printFailedJSON(w io.Writer, reason string) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Valid  bool   `json:"valid"`
		Reason string `json:"reason"`
	}{false, reason})
}

func printProven(w io.Writer, p *proof.Proven) error {
	text, err := eventText(p.Event)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "OK: this event is leaf %d of the log %s\n\n", p.Index, value(p.Origin))
	fmt.Fprintf(&b, "checkpoint  over %d leaves, signed by %s\n", p.TreeSize, strings.Join(p.SignedBy, ", "))
	if p.EventSignedBy != "" {
		fmt.Fprintf(&b, "event       signed by %s\n", p.EventSignedBy)
	}
	if p.LaterKeysOnly {
		b.WriteString("caution     only keys that the log took up after the event vouch for it: who has one may have made it up. Give the key of the time, or the log's first key\n")
	}
	if len(p.Cosigned) > 0 {
		fmt.Fprintf(&b, "cosigned    by %s\n", values(p.Cosigned))
	}
	b.WriteString("\n" + text) // last, so that all above is the command's own
	_, err = io.WriteString(w, b.String())
	return err
}
