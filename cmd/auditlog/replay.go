// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/otel-auditlog/auditlogexporter/cmd/auditlog/internal/replay"
	"github.com/otel-auditlog/auditlogexporter/export"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

// retries has the connection try again what may succeed later. A receiver that took
// the records and whose answer was lost then gets them twice.
const retries = `{"methodConfig":[{
	"name":[{"service":"opentelemetry.proto.collector.logs.v1.LogsService"}],
	"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.5s","maxBackoff":"8s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE","ABORTED"]}
}]}`

// maxRetried is how large a request may be that is tried again: larger than any event.
// Without it gRPC gives up on those above 256 KiB.
const maxRetried = 2 * segline.MaxBytes

type replayFlags struct {
	handout
	endpoint string
	insecure bool
	headers  map[string]string
	batch    int
	tls      tlsFlags

	timeout, requestTimeout duration
	skipRejected            bool
}

func replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay DIR --endpoint HOST:PORT",
		Short: "Send events of a log to an OTLP receiver",
		Long: `replay sends the events of the log in DIR as OTLP log records over gRPC, equal to those
that came in, in their order. The log's own events are left out: they were no records.
It stops at the first batch that is not acknowledged, and says from which index to go
on with --from-index; some of that batch may have arrived. With --skip-rejected it goes on
after events that the receiver rejects for good, names their leaves, and counts them: they
are not at the receiver. A batch that is rejected as a whole is then sent event by event.

With --timeout the replay ends after that time, wherever it is. The receiver's certificate
must be one that this system trusts, or be signed by one in --ca-file. To a receiver that
asks who is calling, --client-cert-file and --client-key-file say it.

` + handoutHelp + `

Exit codes: 0 all events are acknowledged (or, with --skip-rejected, rejected and named);
1 tampering detected; 2 it ended before, at a rejected event or at another error.`,
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
	f.requestTimeout = duration(replay.RequestTimeout)
	flags.Var(&f.timeout, "timeout", "end after this `DURATION`, such as 10m (0: no limit)")
	flags.Var(&f.requestTimeout, "request-timeout", "how long a request may take, with all tries (`DURATION`)")
	flags.BoolVar(&f.skipRejected, "skip-rejected", false, "go on after events that the receiver rejects for good")
	if err := cmd.MarkFlagRequired("endpoint"); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

func (f *replayFlags) run(cmd *cobra.Command, dir string) (err error) {
	if f.batch < 1 {
		return fmt.Errorf("--batch %d: give how many events, at least 1", f.batch)
	}
	if f.timeout < 0 || f.requestTimeout <= 0 {
		return errors.New("--timeout and --request-timeout: give a duration, such as 30s")
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
	defer f.sayByWhich(cmd.ErrOrStderr())

	ctx := cmd.Context()
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(f.timeout), fmt.Errorf("--timeout: %s are over", f.timeout))
		defer cancel()
		cmd.SetContext(ctx) // of reading the log, too
	}
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(f.headers))
	sender := replay.NewSender(conn, f.batch)
	sender.Timeout = time.Duration(f.requestTimeout)
	if f.skipRejected {
		sender.Rejected = func(first, last uint64, number int64, message string) {
			fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: leaves %d to %d: the receiver rejected %d of them for good, and says: %s\n", first, last, number, plain(message))
		}
	}
	sender.Warn = func(first, last uint64, message string) {
		fmt.Fprintf(cmd.ErrOrStderr(), "auditlog: leaves %d to %d: the receiver took them, and says: %s\n", first, last, plain(message))
	}
	err = l.events(cmd, dir, func(e *export.Event) error { return sender.Add(ctx, e) })
	if err == nil {
		err = sender.Flush(ctx)
	}
	if deadline, ok := ctx.Deadline(); ok && status.Code(errors.Unwrap(err)) == codes.DeadlineExceeded && time.Until(deadline) < time.Second {
		<-ctx.Done() // the receiver's clock was a little faster
	}
	if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return errors.Join(err, sayAcknowledged(cmd.OutOrStdout(), sender))
}

// sayAcknowledged says how far a replay has come.
func sayAcknowledged(w io.Writer, sender *replay.Sender) error {
	n, newest := sender.Acknowledged()
	rejected := sender.RejectedEvents()
	text := fmt.Sprintf("%d events acknowledged", n)
	if rejected > 0 {
		text += fmt.Sprintf(", %d rejected", rejected)
	}
	if n > 0 || rejected > 0 {
		text += fmt.Sprintf(", the last of them leaf %d: go on with --from-index %d", newest, newest+1)
	}
	_, err := fmt.Fprintln(w, text)
	return err
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
