// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/zap"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/idempotency"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/partition"
	"github.com/otel-auditlog/auditlogexporter/internal/realpath"
	"github.com/otel-auditlog/auditlogexporter/internal/sequence"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// logs is the set of logs: one for each value of an attribute, or the only one. Those that are
// there at the start are opened then, so that retention and rotation by age go on in them;
// others when a record comes. A partition that cannot be opened is tried again and keeps
// nobody from the others; without the only log there is no start.
type logs struct {
	in     *Ingester
	layout Layout
	root   durable.FS // holds the lock of the partitions' directory; nil if there are none
	unlock func() error

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	work   sync.WaitGroup // whatever opens logs
	slots  chan struct{}  // a place for each log that is being opened

	mu     sync.RWMutex
	byName map[string]*lazyLog
	values int // how many of them count
	closed bool
}

// theOnlyLog is the name of the log if there are no partitions.
const theOnlyLog = ""

// lazyLog is one log of the set. It is opened in the background; who needs it waits.
type lazyLog struct {
	name     string
	observer LogObserver
	tried    chan struct{} // closed once it has been tried to open the log

	mu  sync.Mutex
	log *rotation.Log // nil: it is not open
	err error         // why it is not
}

// unopenedError: a log cannot be opened.
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

// openLogs opens the logs there are, and the one for records without the attribute, so that
// what keeps all of them from being written is known at the start.
func openLogs(ctx context.Context, in *Ingester) (_ *logs, err error) {
	s := &logs{
		in: in, layout: in.opts.Layout, unlock: func() error { return nil },
		slots: make(chan struct{}, maxOpening), byName: map[string]*lazyLog{},
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(context.WithoutCancel(ctx)))
		}
	}()
	names := []string{theOnlyLog}
	if s.layout.divided() {
		if names, err = s.takeOver(); err != nil {
			return nil, err
		}
	}
	first, err := s.openAll(ctx, names)
	if err != nil {
		return nil, err
	}
	where := []zap.Field{
		zap.String("directory", realpath.Absolute(s.layout.Directory)),
		zap.String("origin", s.layout.Origin),
		zap.String("scope", string(in.common.Scope)),
		zap.String("key_id", first.Signer().Public().ID()),
	}
	if !s.layout.divided() {
		in.opts.Logger.Info("The audit log is open", where...)
		return s, nil
	}
	s.work.Go(s.reopen)
	in.opts.Logger.Info("The audit log is open, in partitions", append(where,
		zap.String("partition_by", s.layout.PartitionBy),
		zap.Int("partitions", s.values), zap.Int("max_partitions", s.layout.MaxPartitions))...)
	return s, nil
}

// takeOver takes the lock of the partitions' directory, and returns the names of those that
// are to be opened at the start.
func (s *logs) takeOver() (_ []string, err error) {
	if s.root, err = durable.OpenLocked(s.layout.Directory); err != nil {
		return nil, err
	}
	s.unlock = sync.OnceValue(s.root.Close)
	names, err := s.layout.partitions()
	if err != nil {
		return nil, err
	}
	values := 0
	for _, name := range names {
		if isValue(name) {
			values++
		}
	}
	missing, err := s.layout.missing(names)
	if err != nil {
		return nil, err
	}
	room := s.layout.MaxPartitions - values
	if room < 0 {
		return nil, fmt.Errorf("max_partitions: %s holds logs of %d values, more than %d: write a larger number, or move the logs that are to get no more records elsewhere", realpath.Absolute(s.layout.Directory), values, s.layout.MaxPartitions)
	}
	return slices.Concat([]string{partition.None}, names, missing[:min(len(missing), room)]), nil
}

// isValue reports whether a name is that of the partition of a value, of which there may be
// so many.
func isValue(name string) bool { return name != theOnlyLog && !partition.Special(name) }

// openAll begins to open logs, and waits until one is open: each may have a segment to be
// read, and requests wait for their own. It fails if none can be opened.
func (s *logs) openAll(ctx context.Context, names []string) (*rotation.Log, error) {
	var all []*lazyLog
	for _, name := range names {
		one, _ := s.of(name)
		all = append(all, one)
	}
	var first error
	for _, one := range all {
		log, err := one.get(ctx)
		switch {
		case err == nil:
			return log, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("open the audit log: %w", ctx.Err())
		case first == nil:
			first = err
		}
	}
	if s.layout.divided() {
		first = fmt.Errorf("none of the audit log's partitions can be opened: %w", first)
	}
	return nil, first
}

// nameFor returns the name of the log that a resource's records belong in.
func (s *logs) nameFor(resource pcommon.Resource) string {
	if !s.layout.divided() {
		return theOnlyLog
	}
	if v, ok := resource.Attributes().Get(s.layout.PartitionBy); ok {
		return partition.NameOf(v)
	}
	return partition.None
}

// of returns the log of a name. If there is none it begins one or, if there are
// too many, returns the one for the overflow.
func (s *logs) of(name string) (_ *lazyLog, overflow bool) {
	s.mu.RLock()
	one := s.byName[name]
	if one == nil && s.full(name) {
		one, overflow = s.byName[partition.Overflow], true
	}
	s.mu.RUnlock()
	if one == nil {
		return s.begin(name)
	}
	return one, overflow
}

// full reports whether a name may have no new log.
func (s *logs) full(name string) bool { return s.values >= s.layout.MaxPartitions && isValue(name) }

// begin is of for a log that there may not be yet.
func (s *logs) begin(name string) (one *lazyLog, overflow bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.byName[name]; one != nil {
		return one, false
	}
	if s.full(name) {
		overflow, name = true, partition.Overflow
		if one := s.byName[name]; one != nil {
			return one, overflow
		}
	}
	one = &lazyLog{name: name, observer: s.in.opts.Observer.Log(name), tried: make(chan struct{})}
	if s.closed { // by a shutdown that did not wait for this request
		one.err = errNotRunning
		close(one.tried)
		return one, overflow
	}
	s.byName[name] = one
	if isValue(name) {
		s.values++
	}
	if s.layout.divided() {
		s.in.opts.Observer.Partitions(s.values)
	}
	s.work.Go(func() {
		defer close(one.tried)
		s.open(one)
	})
	return one, overflow
}

// open opens a log. Its error is that of the log until it can be opened.
func (s *logs) open(one *lazyLog) {
	s.slots <- struct{}{}
	defer func() { <-s.slots }()
	log, err := s.openLog(one)
	if err != nil {
		err = &unopenedError{err}
	}
	one.mu.Lock()
	before := one.err
	one.log, one.err = log, err
	one.mu.Unlock()
	logger := s.in.opts.Logger.With(zap.String("partition", one.name))
	switch {
	case !s.layout.divided(): // the start tells, or fails
	case s.ctx.Err() != nil:
	case err == nil:
		logger.Info("A partition of the audit log is open")
		if before != nil {
			one.observer.Healthy()
		}
	case before == nil || before.Error() != err.Error():
		logger.Error("A partition of the audit log cannot be opened; it will be tried again, and its senders are told to", zap.Error(err))
		one.observer.Fault(err)
	}
}

// openLog opens a log, and has its receipts written.
func (s *logs) openLog(one *lazyLog) (*rotation.Log, error) {
	o := s.optionsOf(one)
	if s.layout.divided() {
		// Or else the directories above would be made anew where they were.
		if err := s.root.Present(); err != nil {
			return nil, err
		}
		if info, err := s.root.Lstat(one.name); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s is not a directory but %s: a partition's log lies in a directory of its own, to which no link leads", realpath.Absolute(o.Directory), info.Mode().Type())
		}
	}
	var schedule *issuer.Schedule
	if r := s.in.opts.Receipts; s.in.receipts != nil {
		schedule = s.in.receipts.Log(one.name, issuer.Options{
			Log: o.Directory, Origin: o.Origin,
			Directory:    filepath.Join(r.Directory, one.name),
			MaxFileBytes: r.MaxFileBytes, MaxFiles: r.MaxFiles,
			// The log's own reserve is not for them.
			ReserveBytes: 2 * uint64(o.MinFreeBytes),
		}, one.observer)
		o.Observer = scheduling{one.observer, schedule}
	}
	log, err := rotation.Open(s.ctx, o)
	if errors.Is(err, rotation.ErrCheckpointKeyLeaves) {
		err = fmt.Errorf("signing::previous_checkpoint_key_file: %w", err)
	}
	if err != nil {
		return nil, err
	}
	if schedule != nil {
		if err := schedule.Begin(log); err != nil {
			return nil, errors.Join(err, log.Close(context.WithoutCancel(s.ctx)))
		}
	}
	return log, nil
}

// optionsOf returns the options of one log.
func (s *logs) optionsOf(one *lazyLog) rotation.Options {
	o, in := s.in.common, s.in.opts
	o.Directory, o.Origin, o.Logger = s.layout.Directory, s.layout.Origin, in.Logger
	if s.layout.divided() {
		o.Directory = filepath.Join(o.Directory, one.name)
		o.Origin += "/" + one.name
		o.Partition = true
		o.Logger = o.Logger.With(zap.String("partition", one.name))
	}
	o.StateDirectory = s.layout.StateDirectory
	o.BindIDs = s.in.receipts != nil
	o.Observer = one.observer
	if s.in.remembers() {
		o.Stages = append(o.Stages, idempotency.NewStage(idempotency.Options{
			MaxEvents: in.MaxRemembered, MaxAge: in.MaxAge, RecordConflicts: in.RecordConflicts,
			ProducerOf: producerOf, Observe: one.observer.Repeats,
		}))
	}
	if s.in.followsStreams() {
		o.Stages = append(o.Stages, sequence.NewStage(in.MaxStreams, one.observer.Sequences))
	}
	return o
}

// scheduling is a log's observer that has receipts written of each commit.
type scheduling struct {
	rotation.Observer
	schedule *issuer.Schedule
}

func (o scheduling) Committed(c rotation.Commit) {
	o.Observer.Committed(c)
	o.schedule.Committed(c)
}

// reopen tries to open what could not be opened, until close.
func (s *logs) reopen() {
	ticker := time.NewTicker(reopenInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		for _, one := range s.all() {
			if one.failed() && s.ctx.Err() == nil {
				s.open(one)
			}
		}
	}
}

// all returns the logs, by name.
func (s *logs) all() (all []*lazyLog) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		all = append(all, s.byName[name])
	}
	return all
}

// close closes all logs, and lets go of the directory.
func (s *logs) close(ctx context.Context) error {
	return errors.Join(s.closeLogs(ctx), s.unlock())
}

func (s *logs) closeLogs(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.work.Wait()
	}()
	var late error
	select {
	case <-done:
	case <-ctx.Done():
		late = fmt.Errorf("shut the auditlog exporter down: a partition is still being opened: %w", ctx.Err())
		go s.closeLate(done)
	}
	all := s.all()
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
func (s *logs) closeLate(opened <-chan struct{}) {
	<-opened
	for _, one := range s.all() {
		if log, _ := one.get(context.Background()); log != nil {
			if err := log.Close(context.Background()); err != nil {
				s.in.opts.Logger.Error("A partition of the audit log could not be closed", zap.String("partition", one.name), zap.Error(err))
			}
		}
	}
}

// String is what begins an error about the log, if there are several.
func (one *lazyLog) String() string {
	if one.name == theOnlyLog {
		return ""
	}
	return "partition " + one.name + ": "
}

// get returns the log, once it has been tried to open it.
func (one *lazyLog) get(ctx context.Context) (*rotation.Log, error) {
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
func (one *lazyLog) failed() bool {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.err != nil
}
