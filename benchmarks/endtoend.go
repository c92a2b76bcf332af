// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
)

// endToEnd measures the real collector over OTLP/gRPC on the loopback interface. The
// client sends requests that were marshalled in advance, but it takes its share of the
// same machine.
func endToEnd(ctx context.Context, o *options) error {
	if o.collector == "" {
		fmt.Fprintln(o.out, "Left out: give the collector with -collector.")
		return nil
	}
	o.head("4 × 1000", "records/s", "ratio", "CPU seconds a million records", "peak memory")
	cpu, memory := map[string]sample{}, map[string]int64{}
	one := func(name, config string) measurement {
		return measurement{name, func() (float64, error) {
			speed, seconds, peak, err := throughCollector(ctx, o, config)
			cpu[name], memory[name] = append(cpu[name], seconds), max(memory[name], peak)
			return speed, err
		}}
	}
	all := []measurement{
		one("file exporter", "  file:\n    path: %[1]s/file.json\n"),
		one("auditlog, scope checkpoint", auditlogConfig+"      scope: checkpoint\n"),
		one("auditlog, scope event", auditlogConfig+"      scope: event\n"),
	}
	samples, err := alternate(o.rounds, all)
	if err != nil {
		return err
	}
	for _, m := range all {
		s := samples[m.name]
		o.row(m.name, count(s.median()), s.over(samples[all[0].name]).text("%.2f"), cpu[m.name].text("%.2f"), fmt.Sprintf("%d MB", memory[m.name]/1e6))
	}
	return nil
}

// auditlogConfig is that of ours. The client sends the same records all the time, which are all to be written.
const auditlogConfig = "  auditlog:\n    idempotency:\n      max_events: 0\n    directory: %[1]s/log\n    rotation:\n      compression: none\n    signing:\n      key_file: %[1]s/key.pem\n"

// throughCollector starts a collector, loads it and stops it.
func throughCollector(ctx context.Context, o *options, exporters string) (speed, cpuSeconds float64, peak int64, err error) {
	dir, err := os.MkdirTemp(o.dir, "")
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	address, err := freeAddress()
	if err != nil {
		return 0, 0, 0, err
	}
	exporter := "auditlog"
	if exporters[2] == 'f' {
		exporter = "file"
	}
	config := fmt.Sprintf(`receivers:
  otlp:
    protocols:
      grpc:
        endpoint: %s
exporters:
%s
service:
  telemetry:
    metrics:
      level: none
    logs:
      level: error
  pipelines:
    logs:
      receivers: [otlp]
      exporters: [%s]
`, address, fmt.Sprintf(exporters, dir), exporter)
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return 0, 0, 0, err
	}
	cmd := exec.CommandContext(ctx, o.collector, "--config", file)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, 0, 0, err
	}
	n, took, err := send(ctx, o, address)
	peak, e := peakMemory(strconv.Itoa(cmd.Process.Pid))
	err = errors.Join(err, e, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	if err != nil {
		return 0, 0, 0, err
	}
	seconds := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return float64(n) / took.Seconds(), seconds / float64(n) * 1e6, peak, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// raw sends bytes as they are.
type raw struct{}

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func (raw) Name() string { return "proto" }

// send loads a collector, from when it answers, and returns how many records it has
// acknowledged and how long that took.
func send(ctx context.Context, o *options, address string) (n int64, took time.Duration, err error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	const producers, perCall = 4, 1000
	request, err := plogotlp.NewExportRequestFromLogs(records(0, perCall)).MarshalProto()
	if err != nil {
		return 0, 0, err
	}
	export := func() error {
		var reply []byte
		return conn.Invoke(ctx, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", request, &reply, grpc.ForceCodecV2(raw{}), grpc.WaitForReady(true))
	}
	if err := export(); err != nil { // when this is back it is ready
		return 0, 0, err
	}
	var done atomic.Int64
	errs := make([]error, producers)
	began := time.Now()
	until := began.Add(3 * o.time)
	var wg sync.WaitGroup
	for i := range producers {
		wg.Go(func() {
			for errs[i] == nil && time.Now().Before(until) {
				if errs[i] = export(); errs[i] == nil {
					done.Add(perCall)
				}
			}
		})
	}
	wg.Wait()
	return done.Load(), time.Since(began), errors.Join(errs...)
}
