// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/ctxread"
	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// compress compresses the sealed segments that are still plain, one after the other, and
// finishes what an earlier run began.
func (u *upkeep) compress(ctx context.Context) error {
	if u.opts.Compression == compression.None {
		return nil
	}
	// What keeps one segment from being compressed is no reason to leave the others.
	var errs []error
	s := u.log.Snapshot()
	for i, one := range s.segments {
		sealed := s.active == nil || i < len(s.segments)-1
		if !sealed || one.name.Compression != compression.None {
			continue
		}
		err := u.compressOne(ctx, one)
		switch {
		case errors.Is(err, fs.ErrNotExist) && u.isGone(one.name):
			u.miss(one.name)
		case err != nil:
			errs = append(errs, fmt.Errorf("compress %s: %w", one.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// compressOne compresses a sealed segment, which is known by the name of that form then.
func (u *upkeep) compressOne(ctx context.Context, s segmentInfo) error {
	packed, size, err := compressor{dir: u.dir, to: u.opts.Compression}.replace(ctx, s.name)
	if err != nil {
		return err
	}
	s.name, s.bytes = packed, min(size, s.bytes)
	u.log.TakeIn(finding{segments: []segmentInfo{s}})
	// If this fails, a power cut may bring the plain form back: the next start removes
	// it.
	return u.dir.Sync()
}

// compressor replaces sealed segments by their compressed form. It needs no lock: a sealed
// segment does not change, and nobody else compresses it.
type compressor struct {
	dir durable.FS
	to  compression.Method
}

// replace replaces a sealed segment by its compressed form, and returns that one's name and
// size. At every moment one complete form is there: the compressed one takes its name only when
// it is durable and has been read back, and the plain one goes only after that. Where a fault
// stopped it, it goes on the next time. That the plain form is gone is not durable yet.
func (c compressor) replace(ctx context.Context, plain segment.Name) (packed segment.Name, size int64, err error) {
	packed = plain
	packed.Compression = c.to
	switch _, err := c.dir.Lstat(packed.String()); {
	case errors.Is(err, fs.ErrNotExist):
		if err := c.pack(ctx, plain, packed); err != nil {
			return packed, 0, err
		}
	case err != nil:
		return packed, 0, err
	default:
		if err := c.adopt(ctx, plain, packed); err != nil {
			return packed, 0, fmt.Errorf("%s is there already, and not the log's work: %w", packed, err)
		}
	}
	info, err := c.dir.Lstat(packed.String())
	if err != nil {
		return packed, 0, err
	}
	// Somebody may have removed what was to go anyway: the content is there.
	if err := c.dir.Remove(plain.String()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return packed, 0, err
	}
	return packed, info.Size(), nil
}

// adopt makes a compressed form durable that an earlier attempt has left next to the
// plain one, or fails if it is not one.
func (c compressor) adopt(ctx context.Context, plain, packed segment.Name) error {
	if err := sameContent(ctx, c.dir, plain.String(), packed.String(), packed.Compression); err != nil {
		return err
	}
	return durable.SyncExisting(c.dir, packed.String())
}

// pack writes the compressed form, durably, and checks it against the plain
// one.
func (c compressor) pack(ctx context.Context, plain, packed segment.Name) error {
	return durable.Replace(c.dir, packed.String(), durable.Private, func(w io.Writer) error {
		if err := c.packInto(ctx, plain, w); err != nil {
			return err
		}
		return sameContent(ctx, c.dir, plain.String(), packed.String()+durable.TempSuffix, packed.Compression)
	})
}

func (c compressor) packInto(ctx context.Context, plain segment.Name, w io.Writer) (err error) {
	in, err := rootfs.OpenRegular(c.dir, plain.String())
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := compression.NewWriter(w, c.to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, ctxread.New(ctx, in))
	return errors.Join(err, out.Close())
}

// sameContent reads both forms of a segment and compares them.
func sameContent(ctx context.Context, dir fs.FS, plain, packed string, c compression.Method) error {
	a, err := contentHash(ctx, dir, plain, compression.None)
	if err != nil {
		return err
	}
	b, err := contentHash(ctx, dir, packed, c)
	if err != nil {
		return err
	}
	if a != b {
		return fmt.Errorf("%s does not hold what %s holds", packed, plain)
	}
	return nil
}

func contentHash(ctx context.Context, dir fs.FS, name string, c compression.Method) (sum [sha256.Size]byte, err error) {
	f, err := rootfs.OpenRegular(dir, name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	content, err := compression.NewReader(ctxread.New(ctx, f), c)
	if err != nil {
		return sum, fmt.Errorf("read %s: %w", name, err)
	}
	defer content.Close()
	h := sha256.New()
	if _, err := io.Copy(h, content); err != nil {
		return sum, fmt.Errorf("read %s: %w", name, err)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
