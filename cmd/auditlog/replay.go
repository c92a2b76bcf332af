// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/otel-auditlog/auditlogexporter/export"
	"github.com/otel-auditlog/auditlogexporter/export/replay"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// retries has the connection try again what may succeed later. A receiver that took
// the records and whose answer was lost then gets them twice.
const retries = `{"methodConfig":[{
	"name":[{"service":"opentelemetry.proto.collector.logs.v1.LogsService"}],
	"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.5s","maxBackoff":"8s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE","ABORTED"]}
}]}`

// maxRetried is how large a request may be that is tried again: larger than any event.
// Without it gRPC gives up on those above 256 KiB.
const maxRetried = 2 * segment.MaxLineBytes

type replayFlags struct {
	handout
	endpoint string
	insecure bool
	headers  map[string]string
	batch    int
	tls      tlsFlags
}

func replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay DIR --endpoint HOST:PORT",
		Short: "Send events of a log to an OTLP receiver",
		Long: `replay sends the events of the log in DIR as OTLP log records over gRPC, equal to those
that came in, in their order. The log's own events are left out: they were no records.
It stops at the first batch that is not acknowledged, and says from which index to go
on with --from-index; some of that batch may have arrived. The receiver's certificate
must be one that this system trusts, or be signed by one in --ca-file. To a receiver that
asks who is calling, --client-cert-file and --client-key-file say it.

` + handoutHelp,
		Example: `  auditlog replay audit-log --endpoint collector.example:4317 --key audit-log-key.pub.pem
  auditlog replay audit-log --endpoint 127.0.0.1:4317 --insecure --since 2h --from-index 41873`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, args[0])
		},
	}
	f.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.endpoint, "endpoint", "", "`HOST:PORT` of the receiver")
	flags.BoolVar(&f.insecure, "insecure", false, "without TLS")
	f.tls.addFlags(cmd)
	flags.StringToStringVar(&f.headers, "header", nil, "`NAME=VALUE` to send with each request (repeatable)")
	flags.IntVar(&f.batch, "batch", 200, "up to `N` events a request")
	if err := cmd.MarkFlagRequired("endpoint"); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

func (f *replayFlags) run(cmd *cobra.Command, dir string) (err error) {
	if f.batch < 1 {
		return fmt.Errorf("--batch %d: give how many events, at least 1", f.batch)
	}
	conn, err := f.connect()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	l, err := f.open(cmd, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	l.withoutOwn()

	ctx := metadata.NewOutgoingContext(cmd.Context(), metadata.New(f.headers))
	sender := replay.NewSender(conn, f.batch)
	sender.Warn = func(first, last uint64, message string) {
		fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: leaves %d to %d: the receiver took them, and says: %s\n", first, last, plain(message))
	}
	err = l.events(cmd, dir, func(e *export.Event) error { return sender.Add(ctx, e) })
	if err == nil {
		err = sender.Flush(ctx)
	}
	n, newest := sender.Acknowledged()
	switch {
	case n == 0:
		_, werr := fmt.Fprintln(cmd.OutOrStdout(), "0 events acknowledged")
		return errors.Join(err, werr)
	default:
		_, werr := fmt.Fprintf(cmd.OutOrStdout(), "%d events acknowledged, the last of them leaf %d: go on with --from-index %d\n", n, newest, newest+1)
		return errors.Join(err, werr)
	}
}

func (f *replayFlags) connect() (*grpc.ClientConn, error) {
	if host, port, err := net.SplitHostPort(f.endpoint); err != nil || host == "" || port == "" || strings.Contains(f.endpoint, "/") {
		return nil, fmt.Errorf("--endpoint %q: give HOST:PORT, such as collector.example:4317", f.endpoint)
	}
	for _, name := range slices.Sorted(maps.Keys(f.headers)) {
		if strings.HasPrefix(strings.ToLower(name), "grpc-") {
			return nil, fmt.Errorf("--header: the header %q is reserved by gRPC", name)
		}
	}
	transport := insecure.NewCredentials()
	if f.insecure {
		if f.tls != (tlsFlags{}) {
			return nil, errors.New("--insecure goes without TLS: leave it out, or --ca-file, --client-cert-file and --client-key-file")
		}
	} else {
		config, err := f.tls.load()
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient(f.endpoint,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(retries),
		grpc.WithDefaultCallOptions(grpc.MaxRetryRPCBufferSize(maxRetried)),
		grpc.WithUserAgent("auditlog"),
	)
	if err != nil {
		return nil, fmt.Errorf("--endpoint %q: %w", f.endpoint, err)
	}
	return conn, nil
}
