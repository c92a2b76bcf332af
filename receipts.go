// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/receipt/issuer"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// ReceiptsConfig says where receipts are written: lines of JSON that tell producers where
// each event stands in the log, and prove it (package receipt). No call waits for them.
type ReceiptsConfig struct {
	// Directory holds the files of receipts, in a directory for each partition if there
	// are some. Empty, the default, writes none.
	Directory string `mapstructure:"directory"`
	// MaxSizeMiB is the size, in MiB, that a file is kept to.
	MaxSizeMiB int64 `mapstructure:"max_size_mib"`
	// MaxFiles is how many files are kept, the newest ones. 0 keeps all.
	MaxFiles int `mapstructure:"max_files"`
}

func defaultReceipts() ReceiptsConfig { return ReceiptsConfig{MaxSizeMiB: 100, MaxFiles: 10} }

func (c *Config) validateReceipts(p *problems) {
	r := c.Receipts
	if r.MaxSizeMiB < 1 || r.MaxSizeMiB > maxMiB {
		p.add("receipts::max_size_mib", "%d: write a number of MiB, such as 100", r.MaxSizeMiB)
	}
	if r.MaxFiles < 0 {
		p.add("receipts::max_files", "%d is negative: write a number of files, or 0 to keep all", r.MaxFiles)
	}
	if r.Directory == "" {
		return
	}
	if c.Directory != "" && (within(r.Directory, c.Directory) || within(c.Directory, r.Directory)) {
		p.add("receipts::directory", "%s and the log's directory, %s, lie in one another: receipts are handed out, so name a directory apart, such as /var/lib/otelcol/audit-receipts", r.Directory, c.Directory)
	}
	for key, file := range map[string]string{
		"signing::key_file": c.Signing.KeyFile, "signing::previous_key_file": c.Signing.PreviousKeyFile, "signing::checkpoint_key_file": c.Signing.CheckpointKeyFile,
		"signing::previous_checkpoint_key_file": c.Signing.PreviousCheckpointKeyFile,
	} {
		if file != "" && within(file, r.Directory) {
			p.add(key, "%s lies in the directory of the receipts, %s, which are handed out: put the key elsewhere", file, r.Directory)
		}
	}
	if c.Sync == SyncNever {
		p.add("receipts::directory", "a receipt promises what is on disk, but sync is %s: write %s there, or leave receipts out", SyncNever, SyncAlways)
	}
}

// retryReceipts is how often receipts are tried again that could not be written.
const retryReceipts = 10 * time.Second

// receipts writes those of all logs of an exporter, in one goroutine. Commits only say
// how far they are.
type receipts struct {
	faults *faults
	logger *zap.Logger
	// directory is the one that the directories of partitions lie in; "" if there are no
	// partitions. root is that, once it is open; opening guards it.
	directory string
	opening   sync.Mutex
	root      durable.FS

	mu      sync.Mutex
	begun   []*receiptedLog // all of them
	due     []*receiptedLog
	closing bool

	wake   chan struct{} // has room for one
	cancel context.CancelFunc
	done   chan struct{}
}

// receiptedLog is one log that receipts are written of.
type receiptedLog struct {
	of        *receipts
	name      string // of its partition, or ""
	options   issuer.Options
	telemetry *telemetry

	// These are guarded by of.mu. failing is why receipts cannot be written: then it is
	// not tried with every commit.
	begun, queued bool
	at            issuer.Durable
	failing       error

	// issuer is for the goroutine of receipts; it is nil after an error.
	issuer *issuer.Issuer
}

// openReceipts starts to write receipts, or returns nil if none are asked for. No
// directory is opened yet: the log does not depend on one that is amiss.
func (e *auditExporter) openReceipts() *receipts {
	if e.config.Receipts.Directory == "" {
		return nil
	}
	r := &receipts{logger: e.logger, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if e.config.PartitionBy != "" {
		r.directory = e.config.Receipts.Directory
	}
	r.faults = &faults{report: e.health.receipted, of: map[string]error{}}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	go r.run(ctx)
	return r
}

// of returns the log of a partition, "" if there are none, whose options say the rest. It
// is told of commits by the observer that it puts into the options.
func (r *receipts) of(c *Config, name string, o *rotation.Options, t *telemetry) *receiptedLog {
	if r == nil {
		return nil
	}
	one := &receiptedLog{of: r, name: name, telemetry: t, options: issuer.Options{
		Log: o.Directory, Origin: o.Origin,
		Directory:    filepath.Join(c.Receipts.Directory, name),
		MaxFileBytes: c.Receipts.MaxSizeMiB * mebibyte, MaxFiles: c.Receipts.MaxFiles,
		// The log's own reserve is not for them.
		ReserveBytes: 2 * uint64(o.MinFreeBytes),
	}}
	o.Observer = receiptObserver{o.Observer, one}
	return one
}

// receiptObserver is a log's observer that tells of commits.
type receiptObserver struct {
	rotation.Observer
	to *receiptedLog
}

func (o receiptObserver) Committed(c rotation.Commit) {
	o.Observer.Committed(c)
	o.to.committed(issuer.Durable{Segment: c.Segment, Bytes: c.SegmentBytes, Size: c.TreeSize})
}

// begin says that the log is open. What is wrong with the directory for receipts is told
// by the exporter's status, and tried again: the log goes on without.
func (l *receiptedLog) begin(log *rotation.Log) error {
	if l == nil {
		return nil
	}
	if note := log.Checkpoint(); note != nil {
		c, err := signing.ParseCheckpoint(note)
		if err != nil {
			return fmt.Errorf("issue receipts: %w", err)
		}
		l.options.Begin = c.Size
	}
	// At once, so that what comes from here on has receipts whenever they can be written.
	// The error is found again by issue, which tells of it.
	l.issuer, _ = l.open()
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.closing { // by a shutdown that did not wait for this log to be opened
		return l.close()
	}
	l.begun = true
	l.of.begun = append(l.of.begun, l)
	l.queue()
	return nil
}

// open opens the directory of the log's receipts.
func (l *receiptedLog) open() (*issuer.Issuer, error) {
	if l.of.directory != "" {
		root, err := l.of.openRoot()
		if err != nil {
			return nil, err
		}
		if info, err := root.Lstat(l.name); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s is not a directory but %s: a partition's receipts lie in a directory of its own, to which no link leads", absolute(l.options.Directory), info.Mode().Type())
		}
	}
	return issuer.Open(l.options)
}

// openRoot returns the directory that those of partitions lie in.
func (r *receipts) openRoot() (durable.FS, error) {
	r.opening.Lock()
	defer r.opening.Unlock()
	if r.root == nil {
		root, err := durable.OpenLocked(r.directory)
		if err != nil {
			return nil, err
		}
		r.root = root
	}
	// Or else the directories above would be made anew where they were.
	return r.root, r.root.Present()
}

func (l *receiptedLog) committed(at issuer.Durable) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.at = at
	if l.failing == nil {
		l.queue()
	}
}

// queue has the log looked at. It is called with of.mu held.
func (l *receiptedLog) queue() {
	if !l.begun || l.queued || l.at.Segment == "" {
		return
	}
	l.queued = true
	l.of.due = append(l.of.due, l)
	select {
	case l.of.wake <- struct{}{}:
	default:
	}
}

// run writes receipts until there is nothing left to do and close has been called.
func (r *receipts) run(ctx context.Context) {
	defer close(r.done)
	defer func() {
		for _, l := range r.all() {
			l.end()
		}
		if r.root != nil {
			_ = r.root.Close() // nothing has been written to it
		}
	}()
	again := time.NewTicker(retryReceipts)
	defer again.Stop()
	for ctx.Err() == nil {
		l, at, closing := r.next()
		if l != nil {
			l.issue(ctx, at)
			continue
		}
		if closing {
			return
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
		case <-again.C:
			r.mu.Lock()
			r.retry()
			r.mu.Unlock()
		}
	}
}

// retry has the logs looked at whose receipts could not be written. It is called with mu
// held.
func (r *receipts) retry() {
	for _, l := range r.begun {
		if l.failing != nil {
			l.queue()
		}
	}
}

func (r *receipts) all() []*receiptedLog {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.begun)
}

// next returns the log that is to be looked at next, or nil.
func (r *receipts) next() (l *receiptedLog, at issuer.Durable, closing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.due) == 0 {
		return nil, at, r.closing
	}
	l, r.due = r.due[0], r.due[1:]
	l.queued = false
	return l, l.at, r.closing
}

// issue writes the receipts that are due.
func (l *receiptedLog) issue(ctx context.Context, at issuer.Durable) {
	var err error
	if l.issuer == nil {
		if l.issuer, err = l.open(); err != nil {
			err = fmt.Errorf("receipts::directory: %w", err)
		}
	}
	if err == nil {
		var r issuer.Result
		r, err = l.issuer.Issue(ctx, at)
		l.telemetry.receipts(r)
		if r.Missed > 0 {
			l.of.logger.Error("Events go without receipts", zap.String("partition", l.name), zap.Uint64("leaves", r.Missed), zap.Error(r.Why))
		}
	}
	if ctx.Err() != nil {
		return // the next start goes on
	}
	if err != nil {
		err = errors.Join(err, l.close())
	}
	l.of.mu.Lock()
	before := l.failing
	l.failing = err
	if err == nil && l.at != at {
		l.queue() // what has been committed meanwhile
	}
	l.of.mu.Unlock()
	switch {
	case err == nil && before == nil, err != nil && before != nil && err.Error() == before.Error():
		return
	case err == nil:
		l.of.logger.Info("Receipts can be written again", zap.String("partition", l.name))
	case errors.Is(err, issuer.ErrContradicted):
		l.of.logger.Error("The receipts there are contradict the log; no more are written", zap.String("partition", l.name), zap.Error(err))
	default:
		l.of.logger.Error("Receipts cannot be written; the log is not affected, and they are made up for once they can be", zap.String("partition", l.name), zap.Error(err))
	}
	l.of.faults.set(l.name, err)
}

// end closes the files for good. If receipts could not be written up to now, the next
// start writes them where there is a newest receipt to go on from; in an empty directory
// it begins with what comes then.
func (l *receiptedLog) end() {
	l.of.mu.Lock()
	size, failing := l.at.Size, l.failing
	l.of.mu.Unlock()
	if failing != nil {
		l.of.logger.Error("Receipts have not been written up to the end of the log", zap.String("partition", l.name), zap.Uint64("tree_size", size), zap.Error(failing))
	}
	if err := l.close(); err != nil {
		l.of.logger.Warn("The files of receipts could not be closed", zap.String("partition", l.name), zap.Error(err))
	}
}

func (l *receiptedLog) close() error {
	if l.issuer == nil {
		return nil
	}
	i := l.issuer
	l.issuer = nil
	return i.Close()
}

// close writes what is due, as long as the context allows. The logs must be closed.
func (r *receipts) close(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	r.closing = true
	r.retry() // for the last time
	r.mu.Unlock()
	defer r.cancel()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		r.cancel()
		return fmt.Errorf("shut the auditlog exporter down: receipts are still being written; the next start goes on with them: %w", ctx.Err())
	}
}
