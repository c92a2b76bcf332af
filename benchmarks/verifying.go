// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// verifying measures events a second, each time in a process of its own, whose memory
// is known when it ends.
func verifying(ctx context.Context, o *options) error {
	plain, err := fill(o, "checkpoint", false, o.events)
	if err != nil {
		return err
	}
	packed, err := fill(o, "checkpoint", true, o.events)
	if err != nil {
		return err
	}
	signed, err := fill(o, "event", false, max(1, o.events/10))
	if err != nil {
		return err
	}
	memory := map[string]int64{}
	one := func(name string, args ...string) measurement {
		return measurement{name, func() (float64, error) {
			speed, peak, err := inChild(ctx, args...)
			memory[name] = max(memory[name], peak)
			return speed, err
		}}
	}
	hashing := one("a loop that hashes each line", "hash", plain)
	checking := one("a loop that verifies ECDSA P-256 signatures", "check", o.time.String())
	all := []measurement{
		hashing,
		one("verify, scope checkpoint, plain", "verify", plain),
		one("verify, scope checkpoint, zstd", "verify", packed),
		checking,
		one("verify, scope event, plain", "verify", signed),
	}
	samples, err := alternate(o.rounds, all)
	if err != nil {
		return err
	}
	o.head("what", "events/s", "ratio to the loop above", "peak memory")
	yardstick := hashing.name
	for _, m := range all {
		if m.name == checking.name {
			yardstick = m.name
		}
		s := samples[m.name]
		o.row(m.name, count(s.median()), s.over(samples[yardstick]).text("%.2f"), fmt.Sprintf("%d MB", memory[m.name]/1e6))
	}
	return nil
}

// childArgument makes this program one of its own children.
const childArgument = "child"

// inChild runs a child and returns how many events a second it managed, and its peak
// memory in bytes.
func inChild(ctx context.Context, args ...string) (speed float64, peak int64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{childArgument}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, fmt.Errorf("%v: %w", args, err)
	}
	if _, err := fmt.Sscan(string(out), &speed, &peak); err != nil {
		return 0, 0, fmt.Errorf("%v: %w", args, err)
	}
	return speed, peak, nil
}

// child prints how many events a second it managed, and its peak memory.
func child(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("child: %q", args)
	}
	began := time.Now()
	var events uint64
	var err error
	switch args[0] {
	case "verify":
		events, err = verifyLog(args[1])
	case "hash":
		events, err = hashLines(filepath.Join(args[1], "log"))
	case "check":
		events, err = checkSignatures(args[1])
	default:
		err = fmt.Errorf("child: %q", args)
	}
	if err != nil {
		return err
	}
	took := time.Since(began)
	peak, err := peakMemory("self")
	if err != nil {
		return err
	}
	_, err = fmt.Println(float64(events)/took.Seconds(), peak)
	return err
}

// peakMemory returns the most memory that a process has ever had resident. What wait
// says of a child counts its parent's as well.
func peakMemory(process string) (bytes int64, err error) {
	status, err := os.ReadFile(filepath.Join("/proc", process, "status"))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	if _, err := fmt.Sscan(after, &kilobytes); err != nil {
		return 0, fmt.Errorf("the peak memory of process %s: %w", process, err)
	}
	return kilobytes << 10, nil
}

func verifyLog(dir string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join(dir, "key.pub.pem"))
	if err != nil {
		return 0, err
	}
	key, err := signing.ParsePublicKey(text)
	if err != nil {
		return 0, err
	}
	r, err := verify.Log(context.Background(), os.DirFS(filepath.Join(dir, "log")), verify.Options{Keys: []*signing.PublicKey{key}})
	if err != nil {
		return 0, err
	}
	if r.TamperingDetected {
		return 0, fmt.Errorf("tampering: %+v", r.Findings)
	}
	return r.VerifiedEvents, nil
}

// hashLines does nothing but read and hash each line, on all CPUs.
func hashLines(log string) (uint64, error) {
	names, err := filepath.Glob(filepath.Join(log, "*.jsonl"))
	if err != nil {
		return 0, err
	}
	var events atomic.Uint64
	work := make(chan string)
	errs := make(chan error, len(names))
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for name := range work {
				n, err := hashFile(name)
				events.Add(n)
				errs <- err
			}
		})
	}
	for _, name := range names {
		work <- name
	}
	close(work)
	wg.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	return events.Load(), err
}

func hashFile(name string) (events uint64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 256<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			break // the end: these logs are whole
		}
		sha256.Sum256(line)
		if bytes.HasPrefix(line, []byte(`{"event":`)) {
			events++
		}
	}
	return events, nil
}

// checkSignatures does nothing but verify signatures for a time, on all CPUs.
func checkSignatures(duration string) (uint64, error) {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return 0, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	digest := sha256.Sum256([]byte("an event"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return 0, err
	}
	var n, bad atomic.Uint64
	until := time.Now().Add(d)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for time.Now().Before(until) {
				if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
					bad.Add(1)
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	if bad.Load() > 0 {
		return 0, errors.New("a good signature was refused")
	}
	return n.Load(), nil
}
