// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Command emit is a service that keeps an audit log: for each kind of event it asks
// package emit to write one, and prints the event's id once a collector has acknowledged
// it. It ends with exit code 1 if any was not.
//
//	emit -endpoint 127.0.0.1:4317
//	emit -endpoint http://127.0.0.1:4318/v1/logs
//
// The collector's pipeline is to have neither a batch processor nor a queue before the
// auditlog exporter: then an acknowledgement means that the event is signed and on disk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/otel-auditlog/auditlogexporter/emit"
	"github.com/otel-auditlog/auditlogexporter/emit/confirm"
)

func main() {
	endpoint := flag.String("endpoint", "127.0.0.1:4317", "the collector's OTLP receiver, without TLS: HOST:PORT for gRPC, http://HOST:PORT/v1/logs for HTTP")
	timeout := flag.Duration("timeout", 10*time.Second, "how long an event may take, retries included")
	flag.Parse()
	if err := run(context.Background(), *endpoint, *timeout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, endpoint string, timeout time.Duration) (err error) {
	newExporters := overGRPC
	if strings.HasPrefix(endpoint, "http://") {
		newExporters = overHTTP
	}
	exporters, closeConn, err := newExporters(ctx, endpoint, timeout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeConn()) }()
	// Calls return when the collector has answered.
	provider := sdklog.NewLoggerProvider(
		sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"))),
		sdklog.WithProcessor(confirm.NewProcessor(exporters...)),
	)
	defer func() { err = errors.Join(err, provider.Shutdown(ctx)) }()
	return everyKind(ctx, emit.New(provider, emit.WithScope("example.com/shop", "1.0.0"), emit.WithTimeout(timeout)))
}

// atOnce is how many calls can be under way at once.
const atOnce = 8

// overGRPC makes exporters that share one connection.
func overGRPC(ctx context.Context, endpoint string, timeout time.Duration) (exporters []sdklog.Exporter, closeConn func() error, err error) {
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	for range atOnce {
		e, err := otlploggrpc.New(ctx, otlploggrpc.WithGRPCConn(conn), otlploggrpc.WithTimeout(timeout))
		if err != nil {
			return nil, nil, errors.Join(err, conn.Close())
		}
		exporters = append(exporters, e)
	}
	return exporters, conn.Close, nil
}

// overHTTP makes exporters that share the package's pool of connections.
func overHTTP(ctx context.Context, endpoint string, timeout time.Duration) (exporters []sdklog.Exporter, closeConn func() error, err error) {
	for range atOnce {
		e, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(endpoint), otlploghttp.WithTimeout(timeout))
		if err != nil {
			return nil, nil, err
		}
		exporters = append(exporters, e)
	}
	return exporters, func() error { return nil }, nil
}

// everyKind emits one event of each kind. It goes on after an error.
func everyKind(ctx context.Context, audit *emit.Emitter) error {
	alice, from := emit.User("alice"), emit.From("203.0.113.7")
	customers := emit.Target{Type: "db_collection", ID: "customers"}
	var errs []error
	one := func(id string, err error) {
		if err != nil {
			errs = append(errs, err)
			return
		}
		fmt.Println(id)
	}
	one(audit.AgentCreated(ctx, alice, "agent-7", "helper", emit.Success))
	one(audit.AuthenticationAttempt(ctx, alice, emit.Failure, from, emit.Because(errors.New("wrong password"))))
	one(audit.Login(ctx, alice, emit.Success, from, emit.Session("s-1"), emit.UserAgent("Mozilla/5.0")))
	one(audit.SecurityViolation(ctx, alice, emit.Delete, customers, "no-deletion", from, emit.Session("s-1")))
	one(audit.FileAccess(ctx, emit.Service("backup"), emit.Read, "/etc/passwd\xff", emit.Success))
	one(audit.DataAccess(ctx, alice, emit.Export, customers, emit.Failure, emit.ByAgent("agent-7", "helper")))
	one(audit.PermissionChange(ctx, emit.User("root"), emit.Grant, "admin", emit.Target{Type: "user", ID: "alice"}, emit.Success))
	one(audit.ConfigurationChange(ctx, emit.System("shop"), "tls.min_version", emit.Success, emit.Message("raised to 1.3")))
	one(audit.KeyUse(ctx, emit.Service("signer"), emit.Sign, "kms/7", emit.Success))
	one(audit.Logout(ctx, alice, emit.Success, emit.Session("s-1")))
	return errors.Join(errs...)
}
