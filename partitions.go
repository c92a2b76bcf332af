// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/partition"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// partitions are the logs below the configured directory, one for each value of an
// attribute. Those that are there at the start are opened then, so that retention and
// rotation by age go on in them; others when a record comes. One that cannot be opened is
// tried again and keeps nobody from the others.
type partitions struct {
	exporter *auditExporter
	keys     keys
	root     durable.FS // holds the lock of the directory
	faults   *faults
	states   *faults // why their states cannot be kept

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	work   sync.WaitGroup // whatever opens logs
	slots  chan struct{}  // a place for each log that is being opened

	mu     sync.RWMutex
	byName map[string]*partitionLog
	values int // how many of them count
	closed bool
}

// partitionLog is one of them.
type partitionLog struct {
	name      string
	telemetry *telemetry
	tried     chan struct{} // closed once it has been tried to open the log

	mu  sync.Mutex
	log *rotation.Log // nil: it is not open
	err error         // why it is not
}

// unopenedError: the log of a partition cannot be opened.
type unopenedError struct{ err error }

func (e *unopenedError) Error() string { return e.err.Error() }

func (e *unopenedError) Unwrap() error { return e.err }

const (
	// reopenInterval is how often it is tried to open what could not be opened.
	reopenInterval = 5 * time.Second
	// maxOpening bounds the logs that are being opened at a time: each may have to read a
	// segment.
	maxOpening = 8
)

// openPartitions opens the partitions there are, and the one for records without the
// attribute, so that what keeps all of them from being written is known at the start.
func openPartitions(ctx context.Context, e *auditExporter, k keys) (_ *partitions, err error) {
	c := e.config
	root, err := durable.OpenLocked(c.Directory)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, root.Close())
		}
	}()
	names, err := partitionsIn(c.Directory)
	if err != nil {
		return nil, err
	}
	values := 0
	for _, name := range names {
		if !partition.Special(name) {
			values++
		}
	}
	missing, err := missingPartitions(c, names)
	if err != nil {
		return nil, err
	}
	if values > c.MaxPartitions {
		return nil, fmt.Errorf("max_partitions: %s holds logs of %d values, more than %d: write a larger number, or move the logs that are to get no more records elsewhere", absolute(c.Directory), values, c.MaxPartitions)
	}
	p := &partitions{exporter: e, keys: k, root: root, faults: &faults{report: e.health.written, of: map[string]error{}}, states: &faults{report: e.health.remembered, of: map[string]error{}}, slots: make(chan struct{}, maxOpening), byName: map[string]*partitionLog{}}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := p.openAll(ctx, append(names, missing[:min(len(missing), c.MaxPartitions-values)]...)); err != nil {
		return nil, errors.Join(err, p.closeLogs(context.WithoutCancel(ctx)))
	}
	p.work.Go(p.reopen)
	e.logger.Info("The audit log is open, in partitions",
		zap.String("directory", absolute(c.Directory)),
		zap.String("origin", c.Origin),
		zap.String("partition_by", c.PartitionBy),
		zap.Int("partitions", values), zap.Int("max_partitions", c.MaxPartitions),
		zap.String("scope", string(c.Signing.Scope)),
		zap.String("key_id", k.signer.Public().ID()))
	return p, nil
}

// openAll begins to open the partitions there are, and waits until one is open: each may
// have a segment to be read, and calls wait for their own. It fails if none can be opened.
func (p *partitions) openAll(ctx context.Context, names []string) error {
	var all []*partitionLog
	for _, name := range append([]string{partition.None}, names...) {
		one, _ := p.of(name)
		all = append(all, one)
	}
	var first error
	for _, one := range all {
		_, err := one.get(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("open the audit log's partitions: %w", ctx.Err())
		case first == nil:
			first = err
		}
	}
	return fmt.Errorf("none of the audit log's partitions can be opened: %w", first)
}

// logExists reports whether there is a log that the configuration describes.
func logExists(c *Config) (bool, error) {
	if c.PartitionBy == "" {
		return rotation.Exists(c.Directory)
	}
	names, err := partitionsIn(c.Directory)
	return len(names) > 0, err
}

// partitionsIn returns the names of the directories in which there are logs of
// partitions.
func partitionsIn(directory string) (names []string, _ error) {
	if here, err := rotation.Exists(directory); err != nil {
		return nil, err
	} else if here {
		return nil, fmt.Errorf("partition_by: %s holds a log that is not divided: name another directory for the partitions, and keep that log as it is", absolute(directory))
	}
	entries, err := os.ReadDir(directory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for the audit log's partitions: %w", err)
	}
	for _, entry := range entries {
		if !entry.IsDir() || !partition.Valid(entry.Name()) {
			continue
		}
		// One that cannot be looked into is opened, to say why it cannot.
		if there, err := rotation.Exists(filepath.Join(directory, entry.Name())); there || err != nil {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// of returns the partition of a name. If there is none it begins one or, if there are
// too many, returns the one for the overflow.
func (p *partitions) of(name string) (_ *partitionLog, overflow bool) {
	p.mu.RLock()
	one := p.byName[name]
	if one == nil && p.full(name) {
		one, overflow = p.byName[partition.Overflow], true
	}
	p.mu.RUnlock()
	if one == nil {
		return p.begin(name)
	}
	return one, overflow
}

// full reports whether a name may have no new partition.
func (p *partitions) full(name string) bool {
	return p.values >= p.exporter.config.MaxPartitions && !partition.Special(name)
}

// begin is of for a partition that there may not be yet.
func (p *partitions) begin(name string) (one *partitionLog, overflow bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one := p.byName[name]; one != nil {
		return one, false
	}
	if p.full(name) {
		overflow, name = true, partition.Overflow
		if one := p.byName[name]; one != nil {
			return one, overflow
		}
	}
	one = &partitionLog{name: name, telemetry: p.exporter.telemetry.of(name), tried: make(chan struct{})}
	if p.closed { // by a shutdown that did not wait for this call
		one.err = errNotRunning
		close(one.tried)
		return one, overflow
	}
	p.byName[name] = one
	if !partition.Special(name) {
		p.values++
	}
	p.exporter.telemetry.partitions(p.values)
	p.work.Go(func() {
		defer close(one.tried)
		p.open(one)
	})
	return one, overflow
}

// open opens a partition's log. Its error is that of the partition until it can be
// opened.
func (p *partitions) open(one *partitionLog) {
	p.slots <- struct{}{}
	defer func() { <-p.slots }()
	log, err := p.openLog(one)
	if err != nil {
		err = &unopenedError{err}
	}
	one.mu.Lock()
	again := one.err != nil && err != nil && one.err.Error() == err.Error()
	one.log, one.err = log, err
	one.mu.Unlock()
	switch {
	case p.ctx.Err() != nil || again:
		return
	case err != nil:
		p.exporter.logger.Error("A partition of the audit log cannot be opened; it will be tried again, and its senders are told to", zap.String("partition", one.name), zap.Error(err))
	default:
		p.exporter.logger.Info("A partition of the audit log is open", zap.String("partition", one.name))
	}
	p.faults.set(one.name, err)
}

func (p *partitions) openLog(one *partitionLog) (*rotation.Log, error) {
	e, name := p.exporter, one.name
	o := e.logOptions(p.keys)
	o.Directory = filepath.Join(o.Directory, name)
	o.Origin += "/" + name
	o.Partition = true
	o.Observer = partitionObserver{observer{one.telemetry, e.health}, p.faults, p.states, name}
	o.Logger = e.logger.With(zap.String("partition", name))
	// Or else the directories above would be made anew where they were.
	if err := p.root.Present(); err != nil {
		return nil, err
	}
	if info, err := p.root.Lstat(name); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory but %s: a partition's log lies in a directory of its own, to which no link leads", absolute(o.Directory), info.Mode().Type())
	}
	o.Follower = e.followStreams(one.telemetry)
	receipted := e.receipts.of(e.config, name, &o, one.telemetry)
	log, err := openLog(p.ctx, o)
	if err != nil {
		return nil, err
	}
	if err := receipted.begin(log); err != nil {
		return nil, errors.Join(err, log.Close(context.WithoutCancel(p.ctx)))
	}
	return log, nil
}

// reopen tries to open what could not be opened, until the exporter is shut down.
func (p *partitions) reopen() {
	ticker := time.NewTicker(reopenInterval)
	defer ticker.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-ticker.C:
		}
		for _, one := range p.all() {
			if one.failed() && p.ctx.Err() == nil {
				p.open(one)
			}
		}
	}
}

// all returns the partitions, by name.
func (p *partitions) all() (all []*partitionLog) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, name := range sortedKeys(p.byName) {
		all = append(all, p.byName[name])
	}
	return all
}

// close closes all logs, and lets go of the directory.
func (p *partitions) close(ctx context.Context) error {
	return errors.Join(p.closeLogs(ctx), p.root.Close())
}

func (p *partitions) closeLogs(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.work.Wait()
	}()
	var late error
	select {
	case <-done:
	case <-ctx.Done():
		late = fmt.Errorf("shut the auditlog exporter down: a partition is still being opened: %w", ctx.Err())
		go p.closeLate(done)
	}
	all := p.all()
	errs := make([]error, len(all))
	var closing sync.WaitGroup
	for i, one := range all {
		closing.Go(func() {
			if log, _ := one.get(ctx); log != nil {
				errs[i] = log.Close(ctx)
			}
		})
	}
	closing.Wait()
	return errors.Join(append(errs, late)...)
}

// closeLate closes logs that were being opened when the time to shut down was up, so that
// whoever opens them next can.
func (p *partitions) closeLate(opened <-chan struct{}) {
	<-opened
	for _, one := range p.all() {
		if log, _ := one.get(context.Background()); log != nil {
			if err := log.Close(context.Background()); err != nil {
				p.exporter.logger.Error("A partition of the audit log could not be closed", zap.String("partition", one.name), zap.Error(err))
			}
		}
	}
}

// get returns the partition's log, once it has been tried to open it.
func (one *partitionLog) get(ctx context.Context) (*rotation.Log, error) {
	select {
	case <-one.tried:
	default:
		select {
		case <-one.tried:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait until the partition %s of the audit log is open: %w", one.name, ctx.Err())
		}
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.log, one.err
}

// failed reports whether it has been tried in vain to open the log.
func (one *partitionLog) failed() bool {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.err != nil
}
