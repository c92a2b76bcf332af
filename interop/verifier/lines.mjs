// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Header, event and commit lines (docs/format.md, sections 3 and 6).

import { base64, canonical, decimal, hash, hashes, isIndex, isObject, isTime, need, parse } from './bytes.mjs';
import { Key } from './keys.mjs';
import { checkOrigin, parseCheckpoint } from './notes.mjs';
import { commitments } from './values.mjs';

export const maxLine = 33554432;

// Features that this reader knows.
const features = new Set(['ids', 'partition']);

// parseHeader reads a header line. One that a newer version has written has the member
// newer, and of the others those that a reader of any version needs (section 8).
export function parseHeader(line) {
  need(Buffer.byteLength(line) <= 65536, 'a header line that is too long');
  const h = parse(line).segment;
  need(isObject(h) && typeof h.format === 'string' && h.format !== '', 'a header without a format');
  checkOrigin(h.origin);
  need(isIndex(h.first_index), 'first_index');
  need(isTime(h.created), 'created');
  need(Array.isArray(h.features) && h.features.length <= 64, 'features');
  h.features.forEach((f, i) => need(/^[a-z0-9_]{1,32}$/.test(f) && (i === 0 || h.features[i - 1] < f), 'features'));
  need(Array.isArray(h.keys) && h.keys.length >= 1 && h.keys.length <= 64, 'keys');
  const parsed = {
    origin: h.origin, log: hash(h.log), index: h.first_index, frontier: hashes(h.frontier, 64), created: h.created,
    features: h.features, scope: h.scope, retain: h.retain, minAge: h.min_age,
    keys: h.keys.map((k) => {
      const key = Key.fromBase64(k?.public_key);
      need(k.id === key.id && k.algorithm === key.algorithm, `the key ${k.id} is another`);
      return key;
    }),
  };
  need(parsed.keys.every((k, i) => parsed.keys.findIndex((o) => o.equals(k)) === i), 'a key that is named twice');
  // What may only change with a key change.
  parsed.bound = JSON.stringify([h.keys, h.scope, h.features]);
  const unknown = h.features.find((f) => !features.has(f));
  if (h.format !== 'auditlog/v1' || unknown) {
    return { ...parsed, newer: h.format !== 'auditlog/v1' ? `the format ${JSON.stringify(h.format)}` : `the feature ${unknown}` };
  }
  need(h.scope === 'event' || h.scope === 'checkpoint', `scope ${h.scope}`);
  need(isIndex(h.min_age) && h.min_age <= 4611686018, 'min_age');
  need(isTime(h.retain), 'retain');
  const again = {
    format: h.format, origin: h.origin, log: h.log, first_index: h.first_index, frontier: h.frontier, created: h.created, scope: h.scope,
    features: h.features, min_age: h.min_age, retain: h.retain, keys: h.keys.map((k) => ({ id: k.id, algorithm: k.algorithm, public_key: k.public_key })),
  };
  if (h.succeeds !== undefined) {
    need(h.first_index === 0 && isObject(h.succeeds) && isIndex(h.succeeds.size), 'succeeds');
    again.succeeds = { log: hash(h.succeeds.log).toString('base64'), size: h.succeeds.size, root: hash(h.succeeds.root).toString('base64') };
  }
  need(JSON.stringify({ segment: again }) === line, 'a header that is not in the form of section 3.1');
  return parsed;
}

const levels = new Set(['debug', 'info', 'warning', 'security', 'error', 'critical']);
const categories = new Set([
  'agent_lifecycle', 'session_management', 'authentication', 'authorization', 'cryptographic',
  'file_system', 'communication', 'system_health', 'error_handling', 'performance',
]);

const eventLine = /^\{"event":(.*?)(?:,"signature":(?:null|"([A-Za-z0-9+/]*={0,2})","signature_key_id":"([0-9a-f]{16})"))?\}$/s;

// parseEvent reads an event line.
export function parseEvent(line) {
  const m = eventLine.exec(line);
  need(m, 'event line not in the form of section 3.2');
  const [, json, signature, keyID] = m;
  const event = parse(json);
  need(isObject(event), 'the event is not an object');
  need(canonical(event) === json, 'the event is not in canonical form');
  for (const member of ['event_id', 'timestamp', 'level', 'category', 'operation', 'resource_type', 'resource_id']) {
    need(typeof event[member] === 'string' && event[member] !== '', `the event has no ${member}`);
  }
  need(levels.has(event.level) && categories.has(event.category), 'level or category');
  need([true, false, null].includes(event.success), 'success');
  for (const member of ['timestamp', 'observed_timestamp']) need(event[member] === undefined || isTime(event[member]), member);
  need(isObject(event.metadata), 'metadata');
  for (const member of ['resource', 'scope', 'mapped_from', 'ingress', 'replaced', 'log']) need(event[member] === undefined || isObject(event[member]), member);
  const form = signature !== undefined ? 'signed' : line.endsWith(',"signature":null}') ? 'unsigned' : 'bare';
  return { event, json, form, signature: signature === undefined ? null : base64(signature), keyID, commitments: commitments(event) };
}

// eventMessage is what an event's signature is made over (section 5.1).
export const eventMessage = (origin, log, json) => Buffer.from(`auditlog event v1\n${origin}\n${log.toString('base64')}\n${json}`);

// parseCommit reads a commit line.
export function parseCommit(line) {
  const c = parse(line).commit;
  need(isObject(c) && isIndex(c.number) && c.number > 0 && isTime(c.time), 'a commit without number or time');
  const again = { number: c.number, time: c.time };
  if (c.ids !== undefined) {
    need(isObject(c.ids) && isIndex(c.ids.count), 'ids');
    again.ids = { count: c.ids.count, root: hash(c.ids.root).toString('base64') };
  }
  need(JSON.stringify({ commit: again }) === line, 'a commit that is not in the form of section 3.3');
  return { ...again, ids: again.ids && { count: again.ids.count, root: base64(again.ids.root) } };
}

const actions = new Set([
  'opened', 'rotated', 'key_changed', 'recovered', 'damaged', 'pruned', 'witnessed', 'contradicted', 'resumed', 'signing_degraded', 'signing_restored',
  'sequence_gap', 'sequence_repeat', 'sequence_broken_link', 'sequence_after_end', 'sequence_malformed', 'sequence_suppressed', 'id_conflict', 'refused', 'refused_suppressed', 'clock_jumped', 'state_adopted', 'closed',
]);

export const knowsAction = (a) => actions.has(a);

// headLines is how many lines at the start of a segment are its head (section 6.4).
export const headLines = 3;

const isText = (s) => typeof s === 'string';
const isCount = (s) => isText(s) && decimal.test(s) && BigInt(s) < 2n ** 64n;
const isHash = (s) => Boolean(hash(s));
const isHashes = (most) => (list) => Boolean(hashes(list, most));

// all gives a form to an object whose members have one each; those that are required are there.
const all = (forms, ...required) => (o) => {
  need(isObject(o), 'an object expected');
  for (const member of required) need(o[member] !== undefined, `no ${member}`);
  for (const [member, fits] of Object.entries(forms)) need(o[member] === undefined || fits(o[member]), member);
  return true;
};

const isSegment = all({
  first_index: isIndex, first_time: isTime, last_time: isTime, range: isHashes(128), root_hash: isHash, segment: isText, tree_size: isIndex,
}, 'first_index', 'root_hash', 'segment', 'tree_size');

// isOwn gives a form to the members of what the log says of itself, whatever the action.
const isOwn = all({
  before: isIndex, checkpoint: isText, detail: isText, file: isText, key_change: isText, key_id: isText, previous: isSegment, previous_key_id: isText,
  proof: isHashes(63), reason: isText, root_hash: isHash, segment: isText, segments: (list) => Array.isArray(list) && list.every(isSegment),
  sha256: isText, size: isIndex, until: isTime, version: isText, witness: isText,
  conflict: all({ content_hash: isText, event_id: isText, logged_hash: isText }),
  refused: all({ count: isIndex, event_id: isText, reason: isText, record: isText, sha256: isText }),
  sequence: all({ count: isCount, expected: isCount, missing: isCount, number: isCount, producer: isText, record_id: isText, stream: isText }),
});

// checkOwn checks the form of what the log says of itself (section 6.4). Of an action that this
// reader does not know, it knows no other member either.
export function checkOwn(log) {
  need(isText(log.action) && log.action !== '', 'a log member without an action');
  if (!knowsAction(log.action)) return;
  isOwn(log);
  const cut = (s) => need(s === undefined || Buffer.byteLength(s) <= 128 + 3, `${log.action}: an id that has not been cut`);
  const hex = (s) => need(/^[0-9a-f]{64}$/.test(s), `${log.action}: a hash in hex`);
  if (log.action.startsWith('sequence_')) {
    need(log.sequence, 'sequence');
    for (const member of ['producer', 'record_id', 'stream']) cut(log.sequence[member]);
    return;
  }
  switch (log.action) {
    case 'id_conflict':
      need(log.conflict?.event_id, 'conflict');
      cut(log.conflict.event_id);
      hex(log.conflict.content_hash);
      hex(log.conflict.logged_hash);
      need(log.conflict.content_hash !== log.conflict.logged_hash, 'a conflict between equal contents');
      break;
    case 'refused':
      need(log.refused && /^[a-z_]+$/.test(log.refused.reason) && log.refused.record !== undefined, 'refused');
      cut(log.refused.event_id);
      if (log.refused.sha256 !== undefined) hex(log.refused.sha256);
      break;
    case 'refused_suppressed':
      need(log.refused?.count > 0, 'refused_suppressed');
      break;
    case 'rotated':
      need(log.previous, 'previous');
      break;
    case 'pruned':
      need(log.before !== undefined && log.root_hash !== undefined, 'pruned');
      break;
    case 'witnessed':
      need(log.size > 0 && parseCheckpoint(log.checkpoint).size === log.size, 'witnessed: size');
      break;
    case 'contradicted':
      need(log.witness !== undefined && log.size !== undefined && ['rolled_back', 'forked'].includes(log.reason), 'contradicted');
      break;
  }
}
