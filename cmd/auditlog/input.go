// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

// What an auditor hands over is read here, all of it: keys, trust files, checkpoints,
// proofs, receipts. What editors, mail and shells do to such files is told apart from what
// somebody has done to a log: it is an error, and no finding.

// The sizes that no file of a kind comes near.
const (
	maxKeyFile        = 64 << 10
	maxTrustFile      = 4 << 20
	maxCheckpointFile = 64 << 10
)

// input is a file that an auditor hands over. Its errors name neither the file nor the flag.
type input struct {
	*bufio.Reader
	close func() error
	sum   hash.Hash // of what has been read
}

// handed reads what an auditor hands over, and notes it as it was read. It gives up, waiting
// for a pipe, when the context is done.
type handed struct {
	ctx   context.Context
	files []handedFile
}

// handedFile is a file that an auditor has handed over.
type handedFile struct {
	Flag   string `json:"flag"`
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// note takes in a file that has been read to its end.
func (h *handed) note(flag, path string, in *input) {
	h.files = append(h.files, handedFile{strings.TrimPrefix(flag, "--"), path, hex.EncodeToString(in.sum.Sum(nil))})
}

// openInput opens a file, or standard input if it is called -, and checks how it begins.
func openInput(ctx context.Context, stdin io.Reader, path string) (*input, error) {
	in := &input{close: func() error { return nil }, sum: sha256.New()}
	if path == "-" {
		in.Reader = bufio.NewReader(io.TeeReader(&waiting{ctx, stdin}, in.sum))
	} else {
		f, err := openWaiting(ctx, path)
		if err != nil {
			return nil, withoutPath(err)
		}
		info, err := f.Stat()
		if err == nil && info.IsDir() {
			return nil, errors.Join(errors.New("it is a directory, not a file"), f.Close())
		}
		var src io.Reader = f
		if err != nil || !info.Mode().IsRegular() {
			src = &waiting{ctx, f}
		}
		in.Reader, in.close = bufio.NewReader(io.TeeReader(src, in.sum)), f.Close
	}
	head, err := in.Peek(4)
	if err != nil && err != io.EOF {
		err = withoutPath(err)
	} else {
		err = checkHead(head)
	}
	if err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

// checkHead says what is wrong with how a text begins.
func checkHead(head []byte) error {
	switch {
	case len(head) == 0:
		return errors.New("the file is empty")
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return errors.New("it begins with a byte order mark (EF BB BF), as some editors and shells put there: save it as UTF-8 without one")
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")), bytes.IndexByte(head, 0) >= 0:
		return fmt.Errorf("it begins with % X and is in UTF-16, as some editors and shells save text: save it as UTF-8 without a byte order mark", head)
	default:
		return nil
	}
}

// withoutPath is an error without the path that the caller names.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// read reads a whole file of up to so many bytes, which a flag names.
func (h *handed) read(flag, path string, most int64) (text []byte, err error) {
	in, err := openInput(h.ctx, nil, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	if text, err = in.all(most); err == nil {
		h.note(flag, path, in)
	}
	return text, err
}

func (in *input) all(most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case int64(len(text)) > most:
		return nil, fmt.Errorf("it has more than %d bytes, which is too large for what it should be", most)
	default:
		return text, nil
	}
}

// asSigned checks that a text that is signed byte for byte has not been through what
// changes the ends of lines.
func asSigned(text []byte) error {
	switch {
	case bytes.Contains(text, []byte("\r\n")):
		return errors.New("its lines end in CR LF, as mail and some editors make them: it must be as it was written, with LF alone")
	case !bytes.HasSuffix(text, []byte("\n")):
		return errors.New("the newline at its end is missing, as $(…) of a shell and some databases drop it: add it")
	case bytes.HasSuffix(text, []byte("\n\n")):
		return errors.New("it ends in an empty line: leave one newline at its end")
	default:
		return nil
	}
}

// beginning is what a file begins with, for errors.
func beginning(text []byte) string {
	const most = 40
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if len(line) > most {
		return fmt.Sprintf("%q…", line[:most])
	}
	return fmt.Sprintf("%q", line)
}

// loadKeys reads the public keys that a flag names the files of.
func (h *handed) loadKeys(flag string, paths []string) (keys []*signing.PublicKey, err error) {
	for _, path := range paths {
		key, err := h.loadKey(flag, path)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", flag, path, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (h *handed) loadKey(flag, path string) (*signing.PublicKey, error) {
	text, err := h.read(flag, path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	return signing.ParsePublicKey(text) // what it begins with may be a secret
}

// loadTrust reads a trust file, and the files of keys that it names, which are looked for
// in its directory.
func (h *handed) loadTrust(path string) (trust.Keys, error) {
	text, err := h.read("trust", path, maxTrustFile)
	if err != nil {
		return nil, err
	}
	return trust.Parse(text, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		text, err := h.read("trust", name, maxKeyFile)
		if err != nil {
			err = fmt.Errorf("read the public key %s: %w", name, err)
		}
		return text, err
	})
}

// loadCheckpoint reads a checkpoint that was kept.
func (h *handed) loadCheckpoint(path string) ([]byte, error) {
	text, err := h.read("checkpoint", path, maxCheckpointFile)
	if err != nil {
		return nil, err
	}
	if err := asSigned(text); err != nil {
		return nil, err
	}
	if _, err := signing.ParseCheckpoint(text); err != nil {
		return nil, fmt.Errorf("not a checkpoint: %w; it begins with %s", err, beginning(text))
	}
	return text, nil
}
