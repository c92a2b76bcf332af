// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package client asks a witness for cosignatures over HTTP, by the call
// add-checkpoint of c2sp.org/tlog-witness. What passes is in package cosigning.
//
// Nothing that a witness sends is trusted before its cosignature is verified, but
// who sits between could answer in its place that the log was rolled back. So
// plain HTTP is for addresses of this machine only; anything else needs TLS. A
// redirect is not followed: where checkpoints go is for the configuration to say.
package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

const (
	userAgent = "auditlogexporter"
	// headerBytes bounds the header of an answer.
	headerBytes = 64 << 10
	// idleTimeout is how long a connection is kept for the next checkpoint.
	idleTimeout = 90 * time.Second
)

// Client asks one witness. It is safe for concurrent use.
type Client struct {
	key  *witness.Key
	url  string
	http *http.Client
}

// ParseURL parses the URL prefix of a witness's write API, to which add-checkpoint
// is added.
func ParseURL(prefix string) (*url.URL, error) {
	u, err := url.Parse(prefix)
	if err != nil {
		return nil, fmt.Errorf("not a URL: %w", errors.Unwrap(err))
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("%q is not a URL such as https://witness.example/prefix", prefix)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%q is without TLS, and not of this machine: write https", prefix)
	case u.User != nil, u.RawQuery != "" || u.ForceQuery, u.Fragment != "":
		return nil, errors.New("a URL of a witness has no user, query or fragment")
	}
	return u, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// New returns a client of the witness with that URL prefix and key.
func New(prefix string, key *witness.Key) (*Client, error) {
	u, err := ParseURL(prefix)
	if err != nil {
		return nil, fmt.Errorf("witness %s: %w", key.Name(), err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 1
	transport.MaxResponseHeaderBytes = headerBytes
	transport.IdleConnTimeout = idleTimeout
	transport.DisableCompression = true // the bound on an answer's size is on what arrives
	return &Client{
		key: key,
		url: u.JoinPath("add-checkpoint").String(),
		http: &http.Client{
			Transport: transport,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}, nil
}

// Name returns the witness's name.
func (c *Client) Name() string { return c.key.Name() }

// AddCheckpoint asks the witness to cosign a checkpoint, which extends the tree of
// old leaves by a consistency proof. The error is as [cosigning.ParseAnswer] says,
// or that of the connection. It takes no longer than the context allows.
func (c *Client) AddCheckpoint(ctx context.Context, old uint64, proof []merkle.Hash, checkpoint []byte) (witness.Cosignature, error) {
	cosignature, err := c.addCheckpoint(ctx, old, proof, checkpoint)
	if err != nil {
		return witness.Cosignature{}, fmt.Errorf("ask the witness %s: %w", c.Name(), err)
	}
	return cosignature, nil
}

func (c *Client) addCheckpoint(ctx context.Context, old uint64, proof []merkle.Hash, checkpoint []byte) (none witness.Cosignature, _ error) {
	body, err := cosigning.AppendRequest(nil, old, proof, checkpoint)
	if err != nil {
		return none, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return none, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("User-Agent", userAgent)
	resp, err := c.http.Do(req)
	if err != nil {
		return none, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, cosigning.MaxAnswer+1))
	if err != nil {
		return none, fmt.Errorf("read the answer: %w", err)
	}
	if to := resp.Header.Get("Location"); resp.StatusCode >= 300 && resp.StatusCode < 400 && to != "" {
		return none, fmt.Errorf("status %d: the witness may be found at %.200q: set its URL to that, if it is right", resp.StatusCode, to)
	}
	return cosigning.ParseAnswer(c.key, checkpoint, resp.StatusCode, resp.Header.Get("Content-Type"), answer)
}

// Close closes connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }
