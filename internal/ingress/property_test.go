// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"pgregory.net/rapid"

	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
)

// changes are ways to change what a proof covers.
var changes = map[string]func(t *rapid.T, r plog.LogRecord){
	"time":          func(_ *rapid.T, r plog.LogRecord) { r.SetTimestamp(r.Timestamp() + 1) },
	"observed time": func(_ *rapid.T, r plog.LogRecord) { r.SetObservedTimestamp(r.ObservedTimestamp() ^ 1<<40) },
	"name":          func(_ *rapid.T, r plog.LogRecord) { r.SetEventName(r.EventName() + "x") },
	"trace": func(_ *rapid.T, r plog.LogRecord) {
		id := r.TraceID()
		id[15] ^= 1
		r.SetTraceID(id)
	},
	"span": func(_ *rapid.T, r plog.LogRecord) {
		id := r.SpanID()
		id[0] ^= 0x80
		r.SetSpanID(id)
	},
	"an attribute more": func(_ *rapid.T, r plog.LogRecord) { r.Attributes().PutEmpty("no key is drawn like this one") },
	"the body in a list": func(_ *rapid.T, r plog.LogRecord) {
		inner := pcommon.NewValueEmpty()
		r.Body().CopyTo(inner)
		inner.CopyTo(r.Body().SetEmptySlice().AppendEmpty())
	},
	"the attributes as body": func(t *rapid.T, r plog.LogRecord) {
		r.Attributes().CopyTo(r.Body().SetEmptyMap())
		r.Attributes().Clear()
		r.Attributes().PutStr("moved", rapid.String().Draw(t, "moved"))
	},
}

// Whatever is signed verifies, and no change to it does.
func TestAnyChangeIsFound(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	v := load(t, now, ingress.Source{Name: "p", HMACKeyFile: write(t, "k", []byte(base64.StdEncoding.EncodeToString(secret)))})
	c := v.NewChecker()
	resource := pcommon.NewResource()
	resource.Attributes().PutStr("audit.integrity.algorithm", "HMAC-SHA256")
	c.SetResource(resource)
	rapid.Check(t, func(t *rapid.T) {
		r := plog.NewLogRecord()
		r.SetTimestamp(pcommon.Timestamp(rapid.Uint64Range(1, 1<<62).Draw(t, "time")))
		r.SetObservedTimestamp(pcommon.Timestamp(rapid.Uint64Range(1, 1<<62).Draw(t, "observed")))
		r.SetEventName(rapid.String().Draw(t, "name"))
		r.SetTraceID([16]byte{1, 2})
		r.SetSpanID([8]byte{3})
		drawValue(t, r.Body(), 2)
		drawMap(t, r.Attributes(), 2)
		text, err := new(ingress.Form).Append(nil, r)
		require.NoError(t, err)
		mac := hmac.New(sha256.New, secret)
		mac.Write(text)
		proof := base64.StdEncoding.EncodeToString(mac.Sum(nil))
		r.Attributes().PutStr("audit.integrity.value", proof)
		require.Equal(t, ingress.Verified, c.Check(r).Status)
		for name, change := range changes {
			changed := plog.NewLogRecord()
			r.CopyTo(changed)
			change(t, changed)
			changed.Attributes().PutStr("audit.integrity.value", proof)
			require.Equal(t, ingress.ReasonSignature, c.Check(changed).Reason, name)
		}
	})
}
