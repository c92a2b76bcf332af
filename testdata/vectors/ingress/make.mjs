#!/usr/bin/env node
// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0
//
// Makes vectors.json: log records with proofs, in the canonical form that
// docs/ingress.md describes. It is written from that page alone and shares no code with
// the project: JSON texts come from JSON.stringify, which is what RFC 8785 builds on, and
// signatures from Node's crypto.
//
//   node make.mjs > vectors.json
//
// ECDSA signatures are made with random numbers, so each run gives others.

import { createHash, createHmac, createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

const file = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');

// --- the canonical form ---------------------------------------------------

function canonical(v) {
  if (Array.isArray(v)) return '[' + v.map(canonical).join(',') + ']';
  if (v !== null && typeof v === 'object') {
    return '{' + Object.keys(v).sort().map((k) => JSON.stringify(k) + ':' + canonical(v[k])).join(',') + '}';
  }
  return JSON.stringify(v);
}

function value(v) {
  if (v.arrayValue) return (v.arrayValue.values ?? []).map(value);
  if (v.kvlistValue) return members(v.kvlistValue.values ?? []);
  const [type] = Object.keys(v);
  if (type === undefined) return null;
  if (type === 'intValue') return { intValue: BigInt(v.intValue).toString() };
  return { [type]: v[type] };
}

const members = (entries) => Object.fromEntries(entries.map(({ key, value: v }) => [key, value(v)]));

function form(record) {
  const o = {};
  const covered = (record.attributes ?? []).filter(({ key }) => !key.startsWith('audit.integrity.'));
  if (covered.length > 0) o.attributes = members(covered);
  if (record.body && Object.keys(record.body).length > 0) o.body = value(record.body);
  if (record.eventName) o.event_name = record.eventName;
  if (record.observedTimeUnixNano) o.observed_timestamp = record.observedTimeUnixNano;
  if (record.spanId) o.span_id = record.spanId;
  if (record.timeUnixNano) o.timestamp = record.timeUnixNano;
  if (record.traceId) o.trace_id = record.traceId;
  return canonical(o);
}

// --- proofs ---------------------------------------------------------------

const proofs = {
  ES256: (text) => sign('sha256', text, createPrivateKey(file('p256.pem'))),
  'ES256 in 64 bytes': (text) => sign('sha256', text, { key: createPrivateKey(file('p256.pem')), dsaEncoding: 'ieee-p1363' }),
  EdDSA: (text) => sign(null, text, createPrivateKey(file('ed25519.pem'))),
  RS256: (text) => sign('sha256', text, createPrivateKey(file('rsa.pem'))),
  RS512: (text) => sign('sha512', text, createPrivateKey(file('rsa.pem'))),
  'HMAC-SHA256': (text) => createHmac('sha256', Buffer.from(file('hmac.key'), 'base64')).update(text).digest(),
};
const der = (name) => new X509Certificate(file(name)).raw;
const fingerprint = (name) => 'sha256:' + createHash('sha256').update(der(name)).digest('hex');

// --- records --------------------------------------------------------------

const text = (key, s) => ({ key, value: { stringValue: s } });
const login = () => ({
  timeUnixNano: '1795428900123456789',
  observedTimeUnixNano: '1795428900223456789',
  eventName: 'user.login',
  body: { stringValue: 'signed in' },
  attributes: [
    text('audit.record.id', '5b6c4f3e-7a0d-4a53-9f1c-3f8f0a9d2b11'), text('audit.actor.id', 'alice'), text('audit.actor.type', 'user'),
    text('audit.action', 'LOGIN'), text('audit.outcome', 'success'), text('audit.source.id', '203.0.113.7'),
  ],
});
const everything = () => ({
  ...login(),
  traceId: '0102030405060708090a0b0c0d0e0f10',
  spanId: 'a1a2a3a4a5a6a7a8',
  severityNumber: 9, // which the form leaves out
  severityText: 'INFO',
  body: {
    kvlistValue: {
      values: [
        { key: 'list', value: { arrayValue: { values: [{ intValue: '1' }, { stringValue: '1' }, { boolValue: true }, {}] } } },
        { key: 'nothing', value: { kvlistValue: { values: [] } } },
        { key: 'none', value: { arrayValue: { values: [] } } },
      ],
    },
  },
  attributes: [
    text('€', 'Euro sign'), text('\r', 'carriage return'), text('דּ', 'a letter beyond U+E000'), text('😀', 'beyond the BMP'), text('ö', 'o'),
    text('<script>', '</script> & "quotes" \\ \b\t\n\f\r\u0000\u001f\u007f\u2028\u2029'), text('', 'the empty key'),
    { key: 'int', value: { intValue: '5' } }, { key: 'most', value: { intValue: '9223372036854775807' } }, { key: 'least', value: { intValue: '-9223372036854775808' } },
    { key: 'beyond a double', value: { intValue: '9007199254740993' } },
    { key: 'double', value: { doubleValue: 5 } }, { key: 'third', value: { doubleValue: 1 / 3 } }, { key: 'huge', value: { doubleValue: 1e21 } },
    { key: 'large', value: { doubleValue: 123456789012345680000 } }, { key: 'tiny', value: { doubleValue: 1e-7 } }, { key: 'small', value: { doubleValue: 0.000001 } },
    { key: 'yes', value: { boolValue: true } }, { key: 'no', value: { boolValue: false } },
    { key: 'bytes', value: { bytesValue: '/wD+' } }, { key: 'empty', value: {} },
  ],
});

const vectors = [];
function add(name, record, how, expect, { certificate, algorithm, resource = [], integrity = [], after = (r) => r, canonicalText } = {}) {
  const canon = form(record);
  const signed = { ...record, attributes: [...record.attributes, ...integrity] };
  if (how) signed.attributes.push(text('audit.integrity.value', proofs[how](Buffer.from(canon)).toString('base64')));
  const attributes = [text('service.name', 'shop'), ...resource];
  const named = algorithm ?? how?.split(' ')[0];
  if (named) attributes.push(text('audit.integrity.algorithm', named));
  if (certificate) attributes.push(text('audit.integrity.certificate', certificate));
  const sent = after(structuredClone(signed));
  vectors.push({
    name,
    canonical: canonicalText === null ? null : form(sent),
    expect,
    logs: { resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords: [sent] }] }] },
  });
}

const verified = (producer, algorithm) => ({ result: 'verified', producer, algorithm });
for (const [what, record] of [['a login', login()], ['every kind of value', everything()], ['no attributes', { timeUnixNano: '1', attributes: [] }]]) {
  add(`${what}, ES256, fingerprint`, record, 'ES256', verified('self-signed', 'ES256'), { certificate: fingerprint('p256.crt') });
  add(`${what}, ES256 in 64 bytes, no reference`, record, 'ES256 in 64 bytes', verified('self-signed', 'ES256'));
  add(`${what}, EdDSA, no reference`, record, 'EdDSA', verified('public-key', 'EdDSA'));
  add(`${what}, RS256, certificate of an authority`, record, 'RS256', verified('authority', 'RS256'), { certificate: der('rsa.crt').toString('base64') });
  add(`${what}, RS512, certificate of an authority`, record, 'RS512', verified('authority', 'RS512'), { certificate: der('rsa.crt').toString('base64') });
  add(`${what}, HMAC-SHA256`, record, 'HMAC-SHA256', verified('secret', 'HMAC-SHA256'));
}
add('says jcs and who signed', login(), 'EdDSA', verified('public-key', 'EdDSA'),
  { integrity: [text('audit.integrity.canonicalization', 'jcs'), text('audit.integrity.signer', 'producer')] });

const failed = (reason, rest) => ({ result: 'failed', reason, ...rest });
const change = (f) => (r) => { f(r); return r; };
add('the body changed', login(), 'EdDSA', failed('signature', { algorithm: 'EdDSA' }), { after: change((r) => { r.body.stringValue += '.'; }) });
add('the body gone', login(), 'EdDSA', failed('signature', { algorithm: 'EdDSA' }), { after: change((r) => { delete r.body; }) });
add('the time changed by a nanosecond', login(), 'EdDSA', failed('signature', { algorithm: 'EdDSA' }), { after: change((r) => { r.timeUnixNano = '1795428900123456788'; }) });
add('a text instead of an integer', { ...login(), attributes: [{ key: 'n', value: { intValue: '5' } }] }, 'EdDSA', failed('signature', { algorithm: 'EdDSA' }),
  { after: change((r) => { r.attributes[0].value = { stringValue: '5' }; }) });
add('an attribute more', login(), 'EdDSA', failed('signature', { algorithm: 'EdDSA' }), { after: change((r) => { r.attributes.push(text('x', 'y')); }) });
add('the proof of another record', login(), 'EdDSA', failed('signature', { algorithm: 'EdDSA' }), { after: change((r) => { r.attributes[0].value.stringValue = 'another'; }) });
add('an attribute twice', login(), 'EdDSA', failed('duplicate_key'), { canonicalText: null, after: change((r) => { r.attributes.unshift(text('audit.action', 'DELETE')); }) });
add('the proof twice', login(), 'EdDSA', failed('duplicate_key'), { after: change((r) => { r.attributes.push(r.attributes.at(-1)); }) });
add('a line end in the proof', login(), 'EdDSA', failed('malformed'), { after: change((r) => { r.attributes.at(-1).value.stringValue += '\n'; }) });
add('another algorithm than the key serves', login(), 'ES256', failed('algorithm_not_for_key', { producer: 'self-signed' }), { algorithm: 'RS256', certificate: fingerprint('p256.crt') });
add('no proof', login(), null, { result: 'unsigned' });
add('a certificate that nobody knows', login(), 'ES256', { result: 'unknown_key' }, { certificate: 'sha256:' + '00'.repeat(32) });
add('another canonicalization', login(), 'EdDSA', { result: 'unsupported', reason: 'canonicalization' }, { integrity: [text('audit.integrity.canonicalization', 'c14n')] });
add('the algorithm none', login(), 'EdDSA', { result: 'unsupported', reason: 'algorithm' }, { algorithm: 'none' });
add('the algorithm HS256', login(), 'HMAC-SHA256', { result: 'unsupported', reason: 'algorithm' }, { algorithm: 'HS256' });
add('a key id', login(), 'ES256', { result: 'unsupported', reason: 'key_reference' }, { certificate: 'key-2026-11' });

console.log(JSON.stringify(vectors, null, 1));
