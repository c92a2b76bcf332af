// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package emit_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otel-auditlog/auditlogexporter/emit"
	"github.com/otel-auditlog/auditlogexporter/emit/confirm"
)

// printer stands in for an OTLP exporter in the examples: examples/emit in this
// repository has a service with a real one.
type printer struct{ err error }

func (p printer) Export(_ context.Context, records []sdklog.Record) error {
	if p.err != nil {
		return p.err
	}
	for _, r := range records {
		fmt.Println(r.EventName(), r.SeverityText())
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			if kv.Key != emit.RecordIDKey {
				fmt.Printf("  %s=%s\n", kv.Key, kv.Value)
			}
			return true
		})
	}
	return nil
}

func (printer) Shutdown(context.Context) error   { return nil }
func (printer) ForceFlush(context.Context) error { return nil }

func Example() {
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(confirm.NewProcessor(printer{})))
	audit := emit.New(provider)

	id, err := audit.AuthenticationAttempt(context.Background(), emit.User("alice"), emit.Failure,
		emit.From("203.0.113.7"), emit.Because(errors.New("wrong password")))
	fmt.Println(len(id), err)
	// Output:
	// authentication.attempt SECURITY
	//   audit.actor.id=alice
	//   audit.actor.type=user
	//   audit.action=AUTHENTICATE
	//   audit.outcome=failure
	//   audit.category=authentication
	//   audit.level=security
	//   audit.target.type=user
	//   audit.target.id=alice
	//   audit.source.id=203.0.113.7
	//   audit.source.type=ipv4
	//   exception.message=wrong password
	// 36 <nil>
}

// A service that must not act unseen acts only once the event is in the log.
func ExampleEmitter_SecurityViolation() {
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(confirm.NewProcessor(printer{err: errors.New("no space left on device")})))
	audit := emit.New(provider)

	_, err := audit.SecurityViolation(context.Background(), emit.User("mallory"), emit.Delete,
		emit.Target{Type: "db_collection", ID: "customers"}, "no-deletion", emit.WithID("018f"))
	fmt.Println(err)
	// Output:
	// audit event "security.violation", id 018f: not acknowledged: no space left on device
}

// What no method is for is an Event.
func ExampleEmitter_Emit() {
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(confirm.NewProcessor(printer{})))
	audit := emit.New(provider, emit.WithScope("example.com/shop", "1.4.0"))

	_, err := audit.Emit(context.Background(), emit.Event{
		Name:       "payment.refund",
		Category:   emit.CategoryAuthorization,
		Action:     "REFUND",
		Outcome:    emit.Success,
		Actor:      emit.Service("billing"),
		Target:     emit.Target{Type: "order", ID: "o-17"},
		Attributes: []attribute.KeyValue{attribute.Int64("payment.amount", 1999)},
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// payment.refund INFO
	//   audit.actor.id=billing
	//   audit.actor.type=service
	//   audit.action=REFUND
	//   audit.outcome=success
	//   audit.category=authorization
	//   audit.target.type=order
	//   audit.target.id=o-17
	//   payment.amount=1999
}

// After an error the same event is sent again: with the same ID and Time, both set before
// the first attempt. If the first had arrived, and only its answer was lost, the log has the
// event once. The typed methods take both as [emit.WithID] and [emit.At].
func ExampleEmitter_Emit_again() {
	answers := lossy{"the answer is lost", ""}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(confirm.NewProcessor(&answers)))
	audit := emit.New(provider)

	login := emit.Event{ID: "018f", Time: time.Now(), Name: "user.login", Actor: emit.User("alice"), Outcome: emit.Success}
	for attempt := range 2 {
		id, err := audit.Emit(context.Background(), login)
		fmt.Println(attempt+1, id, err == nil)
		if err == nil {
			break
		}
	}
	// Output:
	// 1 018f false
	// 2 018f true
}

// lossy is an exporter whose answers are errors but for empty ones.
type lossy []string

func (l *lossy) Export(context.Context, []sdklog.Record) error {
	answer := (*l)[0]
	*l = (*l)[1:]
	if answer != "" {
		return errors.New(answer)
	}
	return nil
}

func (*lossy) Shutdown(context.Context) error   { return nil }
func (*lossy) ForceFlush(context.Context) error { return nil }

// Delivery in the background: the provider's own processors may lose events, and say
// so to nobody but the SDK's handler of errors.
func ExampleUnconfirmed() {
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(printer{})))

	_, err := emit.New(provider).Logout(context.Background(), emit.User("alice"), emit.Success)
	fmt.Println(errors.Is(err, emit.ErrUnconfirmed))

	_, err = emit.New(provider, emit.Unconfirmed()).Logout(context.Background(), emit.User("alice"), emit.Success)
	fmt.Println(err)
	// Output:
	// user.logout INFO
	//   audit.actor.id=alice
	//   audit.actor.type=user
	//   audit.action=LOGOUT
	//   audit.outcome=success
	//   audit.category=authentication
	//   audit.target.type=user
	//   audit.target.id=alice
	// true
	// user.logout INFO
	//   audit.actor.id=alice
	//   audit.actor.type=user
	//   audit.action=LOGOUT
	//   audit.outcome=success
	//   audit.category=authentication
	//   audit.target.type=user
	//   audit.target.id=alice
	// <nil>
}
