// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package keyfile

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// Beside a key file that is replaced as the log goes on, there may be
const (
	nextSuffix    = ".next"    // the key that is to follow
	retiredSuffix = ".retired" // the key that is being destroyed
)

// Rotating is a key file whose key is replaced by a fresh one from time to
// time, and then destroyed, so that who steals the file cannot sign for the past
// (forward security). It is for one goroutine at a time.
//
// What is overwritten may survive in copies: on flash memory, in snapshots and
// backups, and in file systems that write elsewhere. Keep the file where there are
// none, in memory (tmpfs) if need be.
type Rotating struct {
	path    string
	current *signing.Signer
	next    *signing.Signer // nil if there is none yet
}

// OpenRotating reads a key file as [Load] does, and completes a
// change of the key that was interrupted. If the file does not exist the error
// wraps [fs.ErrNotExist].
func OpenRotating(path string) (*Rotating, error) {
	k := &Rotating{path: path}
	err := durable.In(path, completeChange)
	if err != nil {
		return nil, fmt.Errorf("read the signing key %s: %w", path, err)
	}
	if k.current, err = load(path, true); err != nil {
		return nil, err
	}
	k.next, err = load(path+nextSuffix, true)
	var unfinished *formError
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
	case errors.As(err, &unfinished):
		// The writer ended while it wrote the key, before anything was signed with it.
		if err := erase(path + nextSuffix); err != nil {
			return nil, fmt.Errorf("remove the unfinished next key: %w", err)
		}
	default:
		return nil, err // it may be what the log goes on with
	}
	return k, nil
}

// Current returns the key in the file.
func (k *Rotating) Current() *signing.Signer { return k.current }

// Pending returns the key that [Rotating.Next] has made and that is not
// current yet, or nil.
func (k *Rotating) Pending() *signing.Signer { return k.next }

// Next returns the key that is to follow the current one, of the same algorithm.
// It is durable, in a file beside, when Next returns, and remains the same until
// [Rotating.Advance].
func (k *Rotating) Next() (*signing.Signer, error) {
	if k.next != nil {
		return k.next, nil
	}
	key, err := GenerateKey(k.current.Public().Algorithm())
	if err != nil {
		return nil, fmt.Errorf("make the next key: %w", err)
	}
	next, err := signing.NewSigner(key, nil)
	if err != nil {
		return nil, fmt.Errorf("make the next key: %w", err)
	}
	private, err := marshalPrivate(key)
	if err != nil {
		return nil, fmt.Errorf("make the next key: %w", err)
	}
	defer clear(private)
	// What an earlier attempt has left there, nothing was signed with.
	if err := erase(k.path + nextSuffix); err != nil {
		return nil, fmt.Errorf("remove the unfinished next key: %w", err)
	}
	if err := createFile(k.path+nextSuffix, private, durable.Private); err != nil {
		return nil, fmt.Errorf("write the next key: %w", err)
	}
	k.next = next
	return next, nil
}

// Advance makes the next key the current one, and overwrites and removes the one
// before. It can be interrupted anywhere: opening the file again completes it. If
// it fails, calling it again goes on.
func (k *Rotating) Advance() error {
	if k.next == nil {
		return errors.New("change the signing key: there is no next key")
	}
	if err := k.replace(); err != nil {
		return err
	}
	k.current, k.next = k.next, nil
	return nil
}

// replace puts the next key in the place of the current one.
func (k *Rotating) replace() error {
	if err := durable.In(k.path, replaceKey); err != nil {
		return fmt.Errorf("the signing key %s: %w", k.path, err)
	}
	return nil
}

// completeChange completes a change of the key in a file that was interrupted.
func completeChange(dir durable.FS, name string) error {
	switch _, err := fs.Lstat(dir, name); {
	case err == nil:
		if err := durable.Erase(dir, name+retiredSuffix); err != nil {
			return fmt.Errorf("destroy the retired key: %w", err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// Between the two renames of Advance there is no file of the name.
	if _, err := fs.Lstat(dir, name+retiredSuffix); err != nil {
		return nil
	}
	return replaceKey(dir, name)
}

// replaceKey puts the key that follows the one in a file in its place.
func replaceKey(dir durable.FS, name string) error {
	next, retired := name+nextSuffix, name+retiredSuffix
	// The directory is synced between the steps, so that no crash leaves the
	// second done and the first not: the old key would be gone, but not overwritten.
	switch _, err := fs.Lstat(dir, next); {
	case errors.Is(err, fs.ErrNotExist):
		// It has been put in its place, or somebody has taken away what was to follow.
		if _, err := fs.Lstat(dir, name); err != nil {
			return fmt.Errorf("complete the change of the signing key: neither %s nor %s can be found, only the key before, in %s: bring one of them back, or rename the last to %[1]s if nothing was signed with the next key: %v", name, next, retired, err)
		}
	case err != nil:
		return fmt.Errorf("complete the change of the signing key: %w", err)
	default:
		if err := durable.Rename(dir, name, retired); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("retire the signing key: %w", err)
		}
		if err := durable.Rename(dir, next, name); err != nil {
			return fmt.Errorf("put the next signing key in its place: %w", err)
		}
	}
	if err := durable.Erase(dir, retired); err != nil {
		return fmt.Errorf("destroy the retired key: %w", err)
	}
	return nil
}

// erase overwrites a file and removes it. It is no error if there is none.
func erase(path string) error { return durable.In(path, durable.Erase) }
