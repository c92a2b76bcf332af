#!/usr/bin/env node
// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0
//
// A second implementation of the checks of docs/format.md, written from that
// page and sharing no code with the project: SHA-256, ECDSA and Ed25519 come
// from Node's crypto, JSON from the language. It shows that the page suffices,
// and keeps the Go verifier honest. It reads whole files, so use it on logs that
// fit into memory.
//
//   node verify_log.mjs DIRECTORY PUBLIC_KEY.pem [SECOND.pem …]
//        [--checkpoint FILE]… [--receipts FILE]… [--witness VKEY]… [--proof FILE]…
//
// Where the log changes its key it follows from the keys given to later ones, not
// to earlier ones. The log must extend each checkpoint, and honor each receipt
// (docs/receipts.md); each witness must have cosigned one of its checkpoints. A proof of a
// single event (section 7.2) is checked by itself.
//
// It prints one line for each finding and a summary. Exit status: 0 the log is
// good, 1 it is not, 2 it could not be checked. A warning is no reason for 1.

import { createHash, createPublicKey, verify as cryptoVerify } from 'node:crypto';
import { lstatSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as zlib from 'node:zlib';

class Malformed extends Error {}

const sha256 = (...parts) => {
  const h = createHash('sha256');
  for (const p of parts) h.update(p);
  return h.digest();
};

function need(condition, message) {
  if (!condition) throw new Malformed(message);
}

// --- bytes and text -------------------------------------------------------

const strictUTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function text(bytes) {
  try {
    return strictUTF8.decode(bytes);
  } catch {
    throw new Malformed('not UTF-8');
  }
}

function base64(s) {
  need(typeof s === 'string', 'base64 expected');
  const b = Buffer.from(s, 'base64');
  need(b.toString('base64') === s, 'base64 not in canonical form');
  return b;
}

// RFC 8785: JavaScript's own JSON.stringify defines strings and numbers; only
// the order of members has to be added. Sorting strings in JavaScript compares
// UTF-16 code units, which is the order the RFC asks for.
function canonical(v) {
  if (Array.isArray(v)) return '[' + v.map(canonical).join(',') + ']';
  if (v !== null && typeof v === 'object') {
    return '{' + Object.keys(v).sort().map((k) => JSON.stringify(k) + ':' + canonical(v[k])).join(',') + '}';
  }
  return JSON.stringify(v);
}

function parse(s) {
  try {
    return JSON.parse(s);
  } catch (e) {
    throw new Malformed(`not JSON: ${e.message}`);
  }
}

// hash reads a hash in base64, hashes a list of them.
function hash(s) {
  const h = base64(s);
  need(h.length === 32, 'a hash has not 32 bytes');
  return h;
}

function hashes(list, most) {
  need(Array.isArray(list) && list.length <= most, 'a list of hashes expected');
  return list.map(hash);
}

const decimal = /^(0|[1-9]\d*)$/;

function isIndex(n) {
  return Number.isSafeInteger(n) && n >= 0;
}

// --- the tree (section 4) -------------------------------------------------

const leafHash = (line) => sha256(Buffer.from([0]), line);
const nodeHash = (l, r) => sha256(Buffer.from([1]), l, r);

class Tree {
  constructor(size, frontier) {
    this.size = size;
    this.stack = [];
    const heights = [];
    for (let h = 0, n = BigInt(size); n > 0n; h++, n >>= 1n) if (n & 1n) heights.unshift(h);
    need(heights.length === frontier.length, 'the frontier does not fit first_index');
    heights.forEach((height, i) => {
      need(frontier[i].length === 32, 'a frontier hash has not 32 bytes');
      this.stack.push({ height, hash: frontier[i] });
    });
  }

  add(leaf) {
    this.push(0, leaf);
  }

  // push adds a perfect subtree, which must begin where the tree ends.
  push(height, hash) {
    let top = { height, hash };
    while (this.stack.length > 0 && this.stack.at(-1).height === top.height) {
      top = { height: top.height + 1, hash: nodeHash(this.stack.pop().hash, top.hash) };
    }
    this.stack.push(top);
    this.size += 2 ** height;
  }

  // extend adds the maximal perfect subtrees of the leaves up to a size (section 7.1).
  extend(size, list) {
    need(isIndex(size) && size >= this.size, 'a range that ends before it begins');
    let i = 0;
    while (this.size < size) {
      let height = 0;
      while (this.size % 2 ** (height + 1) === 0 && this.size + 2 ** (height + 1) <= size) height++;
      need(i < list.length, 'a range with too few hashes');
      this.push(height, list[i++]);
    }
    need(i === list.length, 'a range with too many hashes');
  }

  clone() {
    return Object.assign(Object.create(Tree.prototype), { size: this.size, stack: [...this.stack] });
  }

  root() {
    if (this.stack.length === 0) return sha256();
    return this.stack.map((s) => s.hash).reduceRight((right, left) => nodeHash(left, right));
  }
}

const half = (n) => Math.floor(n / 2);

// included follows an audit path (RFC 6962, section 2.1.1) and says whether it leads from
// a leaf to a root.
function included(leaf, index, size, path, root) {
  if (index >= size) return false;
  let r = leaf;
  let last = size - 1;
  for (const h of path) {
    if (last === 0) return false;
    if (index % 2 === 1 || index === last) {
      r = nodeHash(h, r);
      while (index % 2 === 0 && index !== 0) [index, last] = [half(index), half(last)];
    } else {
      r = nodeHash(r, h);
    }
    [index, last] = [half(index), half(last)];
  }
  return last === 0 && r.equals(root);
}

// consistent says whether a consistency proof (RFC 6962, section 2.1.2) leads from one tree
// to another.
function consistent(first, second, path) {
  if (first.size === 0 || first.size > second.size) return false;
  if (first.size === second.size) return path.length === 0 && first.root.equals(second.root);
  let a = first.size - 1;
  let b = second.size - 1;
  while (a % 2 === 1) [a, b] = [half(a), half(b)];
  const rest = a === 0 ? [first.root, ...path] : path;
  if (rest.length === 0) return false;
  let fr = rest[0];
  let sr = rest[0];
  for (const h of rest.slice(1)) {
    if (b === 0) return false;
    if (a % 2 === 1 || a === b) {
      [fr, sr] = [nodeHash(h, fr), nodeHash(h, sr)];
      while (a % 2 === 0 && a !== 0) [a, b] = [half(a), half(b)];
    } else {
      sr = nodeHash(sr, h);
    }
    [a, b] = [half(a), half(b)];
  }
  return b === 0 && fr.equals(first.root) && sr.equals(second.root);
}

// --- keys and signatures (section 5) --------------------------------------

class Key {
  static fromDER(der) {
    try {
      return new Key({ key: der, format: 'der', type: 'spki' });
    } catch (e) {
      throw new Malformed(`a public key: ${e.message}`);
    }
  }

  constructor(from) {
    this.key = createPublicKey(from);
    this.der = this.key.export({ type: 'spki', format: 'der' });
    this.id = sha256(this.der).subarray(0, 8).toString('hex');
    const type = this.key.asymmetricKeyType;
    if (type === 'ed25519') {
      this.algorithm = 'ed25519';
    } else if (type === 'ec' && this.key.asymmetricKeyDetails.namedCurve === 'prime256v1') {
      this.algorithm = 'ecdsa-p256-sha256';
    } else {
      throw new Error(`unsupported key type ${type}`);
    }
  }

  verify(message, signature) {
    if (signature.length === 0) return false;
    return cryptoVerify(this.algorithm === 'ed25519' ? null : 'sha256', message, this.key, signature);
  }

  noteHash(origin) {
    if (this.algorithm === 'ed25519') {
      return sha256(Buffer.from(origin + '\n'), Buffer.from([1]), this.der.subarray(-32)).subarray(0, 4);
    }
    return sha256(this.der).subarray(0, 4);
  }

  // signed says whether a note of that name carries the key's valid signature.
  signed(note, name) {
    return note.signatures.some((s) => s.name === name && s.hash.equals(this.noteHash(name)) && this.verify(note.message, s.signature));
  }
}

// Witness is the verifier key of a witness (section 6.5).
class Witness {
  constructor(vkey) {
    const [, name, hash, encoded] = /^([^+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(vkey.trim()) ?? [];
    const bytes = encoded ? Buffer.from(encoded, 'base64') : Buffer.alloc(0);
    const want = sha256(Buffer.from(name + '\n'), bytes).subarray(0, 4);
    if (bytes.length !== 33 || bytes[0] !== 4 || want.toString('hex') !== hash) throw new Error(`not the verifier key of a witness: ${vkey}`);
    this.name = name;
    this.hash = want;
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), bytes.subarray(1)]);
    this.key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    this.size = -1; // of the newest tree that it vouches for
  }

  // cosigned says whether a note bears a cosignature of the witness. One that bears its
  // name and is not its own is malformed.
  cosigned(note) {
    const lines = note.signatures.filter((s) => s.name === this.name && s.hash.equals(this.hash));
    if (lines.length === 0) return false;
    need(lines.length === 1 && lines[0].signature.length === 72, `a cosignature of ${this.name}`);
    const time = lines[0].signature.readBigUInt64BE(0);
    const message = Buffer.concat([Buffer.from(`cosignature/v1\ntime ${time}\n`), note.message]);
    need(cryptoVerify(null, message, this.key, lines[0].signature.subarray(8)), `a cosignature that ${this.name} did not make`);
    return true;
  }
}

// --- lines (section 3) ----------------------------------------------------

function parseHeader(line) {
  const h = parse(line).segment;
  const again = JSON.stringify({
    segment: {
      format: h?.format,
      origin: h?.origin,
      first_index: h?.first_index,
      frontier: h?.frontier,
      created: h?.created,
      scope: h?.scope,
      keys: h?.keys?.map((k) => ({ id: k.id, algorithm: k.algorithm, public_key: k.public_key })),
    },
  });
  need(again === line, 'header not in the form of section 3.1');
  need(h.format === 'auditlog/v1', `format ${h.format}`);
  need(Number.isSafeInteger(h.first_index) && h.first_index >= 0, 'first_index');
  need(h.scope === 'event' || h.scope === 'checkpoint', `scope ${h.scope}`);
  need(time.test(h.created), 'created');
  need(h.origin.length > 0 && !h.origin.startsWith('{') && !/[\s\p{Cc}+]/u.test(h.origin), 'origin');
  for (const k of h.keys) need(sha256(base64(k.public_key)).subarray(0, 8).toString('hex') === k.id, 'a key id does not fit its key');
  need(h.keys.length >= 1 && h.keys.length <= 64, 'keys');
  h.frontier = hashes(h.frontier, 64);
  return h;
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/;
const levels = new Set(['debug', 'info', 'warning', 'security', 'error', 'critical']);
const categories = new Set([
  'agent_lifecycle', 'session_management', 'authentication', 'authorization', 'cryptographic',
  'file_system', 'communication', 'system_health', 'error_handling', 'performance',
]);

const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);

const eventLine = /^\{"event":(.*?)(?:,"signature":(?:null|"([A-Za-z0-9+/]*={0,2})","signature_key_id":"([0-9a-f]{16})"))?\}$/s;

function parseEvent(line) {
  const m = eventLine.exec(line);
  need(m, 'event line not in the form of section 3.2');
  const [, json, signature, keyID] = m;
  const event = parse(json);
  need(event !== null && typeof event === 'object' && !Array.isArray(event), 'the event is not an object');
  need(canonical(event) === json, 'the event is not in canonical form');
  for (const member of ['event_id', 'timestamp', 'level', 'category', 'operation', 'resource_type', 'resource_id']) {
    need(typeof event[member] === 'string' && event[member] !== '', `the event has no ${member}`);
  }
  need(levels.has(event.level) && categories.has(event.category), 'level or category');
  need([true, false, null].includes(event.success), 'success');
  for (const member of ['timestamp', 'observed_timestamp']) need(event[member] === undefined || time.test(event[member]), member);
  need(isObject(event.metadata), 'metadata');
  for (const member of ['resource', 'scope', 'mapped_from', 'ingress', 'replaced', 'log']) need(event[member] === undefined || isObject(event[member]), member);
  const form = signature !== undefined ? 'signed' : line.endsWith(',"signature":null}') ? 'unsigned' : 'bare';
  return { event, json, form, signature: signature === undefined ? null : base64(signature), keyID };
}

function parseNote(note) {
  const split = note.lastIndexOf('\n\n');
  need(split > 0 && note.endsWith('\n'), 'a note without signatures');
  const message = note.slice(0, split + 1);
  const signatures = note.slice(split + 2, -1).split('\n').map((s) => {
    const m = /^\u2014 (\S+) (\S+)$/.exec(s);
    need(m, 'signature line');
    const b = base64(m[2]);
    need(b.length > 4, 'empty signature');
    return { name: m[1], hash: b.subarray(0, 4), signature: b.subarray(4) };
  });
  return { lines: message.split('\n'), message: Buffer.from(message), signatures };
}

function parseCheckpoint(line) {
  const string = parse(line).checkpoint;
  need(typeof string === 'string' && JSON.stringify({ checkpoint: string }) === line, 'checkpoint line not in the form of section 3.3');
  return checkpointOf(string);
}

// checkpointOf parses the signed note of a checkpoint.
function checkpointOf(string) {
  need(typeof string === 'string' && !string.includes('\r'), 'a checkpoint');
  const note = parseNote(string);
  need(note.lines.length === 4 && decimal.test(note.lines[1]) && isIndex(Number(note.lines[1])), 'checkpoint text');
  return { ...note, origin: note.lines[0], size: Number(note.lines[1]), root: hash(note.lines[2]) };
}

// checkOwn checks the form of what the log says of itself (section 6.4), where other
// members than the action have one.
function checkOwn(log) {
  need(typeof log.action === 'string' && log.action !== '', 'a log member without an action');
  const size = (n) => need(isIndex(n), `${log.action}: a size`);
  const cut = (s) => need(s === undefined || (typeof s === 'string' && Buffer.byteLength(s) <= 128 + 3), `${log.action}: an id that has not been cut`);
  const hex = (s) => need(/^[0-9a-f]{64}$/.test(s), `${log.action}: a hash in hex`);
  if (log.action.startsWith('sequence_')) {
    need(isObject(log.sequence), 'sequence');
    for (const member of ['expected', 'missing', 'number', 'count']) need(log.sequence[member] === undefined || /^-?\d+$/.test(log.sequence[member]), `sequence.${member}`);
    for (const member of ['producer', 'record_id', 'stream']) cut(log.sequence[member]);
    return;
  }
  switch (log.action) {
    case 'id_conflict':
      need(isObject(log.conflict) && typeof log.conflict.event_id === 'string' && log.conflict.event_id !== '', 'conflict');
      cut(log.conflict.event_id);
      hex(log.conflict.content_hash);
      hex(log.conflict.logged_hash);
      need(log.conflict.content_hash !== log.conflict.logged_hash, 'a conflict between equal contents');
      break;
    case 'rotated':
      need(isObject(log.previous), 'previous');
      size(log.previous.first_index);
      size(log.previous.tree_size);
      hash(log.previous.root_hash);
      hashes(log.previous.range ?? [], 128);
      for (const member of ['first_time', 'last_time']) need(log.previous[member] === undefined || time.test(log.previous[member]), member);
      break;
    case 'pruned':
      size(log.before);
      hash(log.root_hash);
      break;
    case 'witnessed':
      need(isIndex(log.size) && log.size > 0 && checkpointOf(log.checkpoint).size === log.size, 'witnessed: size');
      hashes(log.proof ?? [], 63);
      break;
    case 'contradicted':
      need(typeof log.witness === 'string' && ['rolled_back', 'forked'].includes(log.reason), 'contradicted');
      size(log.size);
      break;
  }
}

// parseKeyChange checks a key change (section 5.1) and both of its signatures.
function parseKeyChange(string) {
  need(typeof string === 'string', 'a key change without a note');
  const note = parseNote(string);
  const [origin, title, index, root, from, to] = note.lines;
  need(note.lines.length === 7 && title === 'auditlog key change v1' && /^(0|[1-9]\d*)$/.test(index), 'key change text');
  const change = { origin, index: Number(index), root: base64(root), from: Key.fromDER(base64(from)), to: Key.fromDER(base64(to)) };
  need(note.signatures.length === 2 && change.from.signed(note, origin) && change.to.signed(note, origin), 'key change signatures');
  return change;
}

// findKeyChange returns the key change among the first lines of a segment, or null.
function findKeyChange(bytes) {
  let at = 0;
  for (let i = 0; i < 9; i++) {
    const end = bytes.indexOf(10, at);
    if (end < 0) return null;
    const line = bytes.subarray(at, end).toString();
    at = end + 1;
    if (!line.startsWith('{"event":')) continue;
    try {
      const { event } = parseEvent(line);
      if (event.log?.action === 'key_changed') return parseKeyChange(event.log.key_change);
    } catch (e) {
      if (!(e instanceof Malformed)) throw e;
    }
  }
  return null;
}

// filedKeyChanges reads the file of key changes.
function filedKeyChanges(dir, report) {
  const changes = [];
  optional(dir, 'key-changes').split('\n').slice(0, -1).forEach((line, i) => {
    try {
      const { key_change: note } = parse(line) ?? {};
      need(JSON.stringify({ key_change: note }) === line, 'not in the form of section 5.1');
      changes.push(parseKeyChange(note));
    } catch (e) {
      if (!(e instanceof Malformed)) throw e;
      report('key_change_invalid', 'key-changes', i + 1, e.message);
    }
  });
  return changes;
}

// optional reads a file of the directory, which is as good as empty if it is not there.
function optional(dir, name) {
  let stat;
  try {
    stat = lstatSync(join(dir, name));
  } catch (e) {
    if (e.code === 'ENOENT') return '';
    throw e;
  }
  return stat.isFile() ? readFileSync(join(dir, name), 'utf8') : 'not a regular file\n';
}

// Chain is the keys that are trusted: given, or introduced by one that is.
class Chain {
  constructor(keys, filed) {
    this.keys = keys;
    this.filed = filed;
    this.current = null; // of the last segment that is trusted
    this.believed = [...keys]; // all keys that have been believed
  }

  // led returns the keys that the filed changes up to an index lead to.
  led(index) {
    const trusted = new Map(this.keys.map((k) => [k.id, k]));
    for (const c of this.filed) if (c.index <= index && trusted.has(c.from.id)) trusted.set(c.to.id, c.to);
    return trusted;
  }

  // take decides whether a segment's keys are trusted. It returns the key before, if
  // the key was changed, or null; what is wrong is malformed.
  take(names, change, index, root) {
    const given = names.some((k) => this.keys.some((g) => g.id === k.id));
    const main = names[0];
    if (this.current === null) {
      // What led here may have been pruned.
      if (given || this.led(index).has(main.id)) this.current = main;
      return null;
    }
    if (this.current.id === main.id) return null;
    const before = this.current;
    need(change && change.from.id === before.id && change.to.id === main.id && change.index === index && change.root.equals(root), `the key ${main.id} appears without a key change`);
    this.current = main;
    return before;
  }
}

// --- a segment ------------------------------------------------------------

const segmentName = /^audit-(\d{20})-\d{8}T\d{6}Z\.jsonl(\.zst|\.gz)?$/;

function content(path, compression) {
  const stored = readFileSync(path);
  if (compression === undefined) return stored;
  if (compression === '.gz') {
    const out = zlib.gunzipSync(stored, { info: true });
    need(out.engine.bytesWritten === stored.length, 'bytes behind the gzip member');
    need(stored[3] === 0, 'a gzip member with optional fields');
    return out.buffer;
  }
  if (!zlib.zstdDecompressSync) throw new Error('this version of Node cannot read zstd: decompress the segments first');
  return zlib.zstdDecompressSync(stored);
}

// checkSegment returns what the segment says of itself, and reports findings.
function checkSegment(file, dir, chain, kept, receipts, witnesses, report) {
  const state = { file, good: null, start: null, events: 0, own: [], trusted: 0 };
  let bytes;
  try {
    bytes = content(join(dir, file.name), file.compression);
  } catch (e) {
    if (e.code === 'ENOENT' || /cannot read zstd/.test(e.message)) throw e;
    report('segment_unreadable', file.name, 0, e.message);
    return state;
  }
  let tree = null;
  let header = null;
  let names = []; // the keys that the header names
  let previous = null; // the key before, until a checkpoint has shown its signature
  let number = 0;
  let broken = false;
  // What the next trusted checkpoint is to cover counts once it does.
  let open = { own: [], met: [], vouches: [] };
  const meet = () => {
    for (const k of kept.at(tree.size)) open.met.push([k, tree.root()]);
  };
  for (let at = 0; at < bytes.length; ) {
    number++;
    let end = bytes.indexOf(10, at);
    const partial = end < 0;
    if (partial) end = bytes.length;
    const raw = bytes.subarray(at, end);
    at = end + 1;
    const finding = (kind, message) => report(kind, file.name, number, message);
    const warn = (kind, message) => report(kind, file.name, number, message, 'warning');
    if (raw.length > 33554432) {
      finding('event_malformed', 'a line is too long');
      break;
    }
    if (partial) {
      state.tail = number;
      if (!file.newest) finding('torn_tail', 'the last line is cut off');
      break;
    }
    try {
      const line = text(raw);
      if (line.startsWith('{"segment":')) {
        need(number === 1, 'a second header');
        header = parseHeader(line);
        need(header.first_index === file.index, 'first_index is not the one in the name');
        tree = new Tree(header.first_index, header.frontier);
        state.start = { size: tree.size, root: tree.root(), origin: header.origin };
        state.tree = tree.clone();
        names = header.keys.map((k) => Key.fromDER(base64(k.public_key)));
        try {
          previous = chain.take(names, findKeyChange(bytes), tree.size, tree.root());
        } catch (e) {
          if (!(e instanceof Malformed)) throw e;
          finding('unknown_key', e.message);
        }
        state.believed = chain.current !== null && chain.current.id === names[0].id;
        names.forEach((k) => state.believed && chain.believed.push(k));
        state.names = names;
        meet();
        tree.add(leafHash(raw));
        receipts.meet(leafHash(raw), undefined, file.name, number);
        meet();
      } else if (line.startsWith('{"event":')) {
        need(tree, 'an event before the header');
        state.events++;
        const index = tree.size;
        const leaf = leafHash(raw);
        tree.add(leaf);
        meet();
        const e = parseEvent(line);
        receipts.meet(leaf, e.event.event_id, file.name, number);
        if (e.form === 'signed') {
          const key = state.believed && e.keyID === names[0].id ? names[0] : null;
          if (!key) finding('unknown_key', `event ${e.event.event_id} is signed with ${e.keyID}`);
          else if (!key.verify(Buffer.from(e.json), e.signature)) finding('event_signature_invalid', `event ${e.event.event_id}, index ${index}`);
        } else if (e.form === 'bare' && header.scope === 'event') {
          finding('unsigned_event', `event ${e.event.event_id}, index ${index}`);
        } else if (e.form === 'unsigned' && header.scope !== 'event') {
          need(false, '"signature":null in scope checkpoint');
        }
        state.tail = number;
        if (e.form === 'unsigned') warn('unsigned_event', `event ${e.event.event_id} was written without a signature`);
        if (e.event.log) {
          checkOwn(e.event.log);
          open.own.push({ ...e.event.log, index, number, id: e.event.event_id });
          if (e.event.log.action === 'witnessed') takeWitnessed(e.event.log, state.good ?? state.start, header.origin, witnesses, open, finding);
        }
      } else if (line.startsWith('{"checkpoint":')) {
        need(tree, 'a checkpoint before the header');
        const c = parseCheckpoint(line);
        need(c.origin === header.origin, 'a checkpoint of another log');
        if (state.tail === null && state.good?.size === c.size) {
          finding('line_inserted', 'the checkpoint repeats the one before it');
          continue;
        }
        if (c.size !== tree.size || !c.root.equals(tree.root())) {
          if (!broken) finding('root_mismatch', `the checkpoint is over ${c.size} leaves; there are ${tree.size}, or one of them is another`);
          broken = true;
          continue;
        }
        const needed = previous === null ? names : [...names, previous];
        const lacking = needed.find((k) => !k.signed(c, c.origin));
        if (!state.believed || lacking) {
          finding('checkpoint_signature_invalid', lacking ? `no valid signature of the key ${lacking.id}` : 'no valid signature of a trusted key');
          continue;
        }
        previous = null;
        state.trusted++;
        state.good = { size: tree.size, root: tree.root() };
        state.tail = null;
        state.own.push(...open.own);
        for (const [k, root] of open.met) k.found.push(root);
        for (const [w, size] of open.vouches) w.size = Math.max(w.size, size);
        open = { own: [], met: [], vouches: [] };
      } else {
        need(false, 'not a line of a known kind');
      }
    } catch (e) {
      if (!(e instanceof Malformed)) throw e;
      finding(number === 1 ? 'header_invalid' : 'event_malformed', e.message);
      if (number === 1) return state;
    }
  }
  if (number === 0) report('header_invalid', file.name, 0, 'the segment is empty');
  else if (state.tail && (!file.newest || file.compression)) report('torn_tail', file.name, state.tail, 'lines follow the last checkpoint of a sealed segment');
  return state;
}

// takeWitnessed checks what the log says of its witnesses (section 6.5); before is the
// tree that the proof leads to.
function takeWitnessed(log, before, origin, witnesses, open, finding) {
  const c = checkpointOf(log.checkpoint);
  for (const w of witnesses) {
    try {
      if (w.cosigned(c)) open.vouches.push([w, c.size]);
    } catch (e) {
      if (!(e instanceof Malformed)) throw e;
      finding('cosignature_invalid', e.message);
    }
  }
  if (c.origin === origin && consistent(c, before, hashes(log.proof ?? [], 63))) return;
  open.vouches = [];
  finding('rollback', `witnesses have cosigned a checkpoint over ${c.size} leaves that the log does not extend`);
}

// --- what is held against the log -----------------------------------------

// Kept is the checkpoints that the log must extend.
class Kept {
  constructor() {
    this.all = [];
  }

  // add takes a checkpoint in; kind is that of a finding about it.
  add(name, string, kind = 'rollback') {
    this.all.push({ ...checkpointOf(string), name, kind, found: [] });
  }

  at(size) {
    return this.all.filter((k) => k.size === size);
  }

  // takePruned follows the file of pruned ranges (section 7.1) up to the first segment.
  takePruned(dir, start, report) {
    if (start.size === 0) return;
    const lines = optional(dir, 'pruned-ranges').split('\n').slice(0, -1);
    if (lines.length === 0) return;
    const tree = new Tree(0, []);
    const met = [];
    let number = 0;
    try {
      for (const line of lines) {
        if (tree.size >= start.size) break;
        number++;
        const range = parse(line);
        need(JSON.stringify({ size: range?.size, subtrees: range?.subtrees }) === line, 'not in the form of section 7.1');
        need(isIndex(range.size) && range.size > tree.size, 'a size that is not above the one before');
        tree.extend(range.size, hashes(range.subtrees, 128));
        for (const k of this.at(tree.size)) met.push([k, tree.root()]);
      }
      need(tree.size === start.size && tree.root().equals(start.root), 'it does not lead to the tree that the first segment begins with');
    } catch (e) {
      if (!(e instanceof Malformed)) throw e;
      report('pruned_ranges_invalid', 'pruned-ranges', number, e.message);
      return;
    }
    for (const [k, root] of met) if (k.size < start.size) k.found.push(root);
  }

  judge(keys, origin, end, report) {
    for (const k of this.all) {
      const say = (why) => report(k.kind, k.name, 0, why);
      if (k.origin !== origin) say(`a checkpoint of the log ${k.origin}`);
      else if (!keys.some((key) => key.signed(k, k.origin))) say('nobody who is trusted has signed it');
      else if (k.size > end.size) say(`a checkpoint over ${k.size} leaves, but the log has ${end.size}`);
      else if (!k.found.length) say('nothing shows that the log extends it');
      else if (!k.found.every((root) => root.equals(k.root))) say('another history of the log');
    }
  }
}

// Receipts is what producers hold (docs/receipts.md).
class Receipts {
  constructor() {
    this.leaves = new Map();
  }

  read(name, content, kept, report) {
    const seen = new Set();
    content.split('\n').forEach((line, i) => {
      if (line.trim() === '') return;
      const r = parse(line);
      need(r?.receipt === 'auditlog/v1' && isIndex(r.index), 'not a receipt');
      const c = checkpointOf(r.checkpoint);
      need(c.origin === r.origin, 'a receipt of two logs');
      const leaf = hash(r.leaf_hash);
      if (!included(leaf, r.index, c.size, hashes(r.path, 63), c.root)) {
        report('receipt_invalid', name, i + 1, 'its path does not lead from its leaf to its checkpoint');
        return;
      }
      const where = `${name}:${i + 1}`;
      if (!seen.has(r.checkpoint)) kept.add(where, r.checkpoint, 'receipt_unfulfilled');
      seen.add(r.checkpoint);
      const key = leaf.toString('hex');
      if (r.event_id !== undefined && !this.leaves.has(key)) this.leaves.set(key, { where, id: r.event_id });
      else if (r.event_id !== undefined && this.leaves.get(key).id !== r.event_id) report('receipt_invalid', name, i + 1, 'another names another event for the leaf');
    });
  }

  meet(leaf, id, file, line) {
    if (this.leaves.size === 0) return;
    const r = this.leaves.get(leaf.toString('hex'));
    if (r && r.id !== id) this.wrong.push([file, line, `the receipt at ${r.where} is for this leaf, and names another event`]);
  }

  wrong = [];
}

// checkProof checks the proof of a single event by itself (section 7.2).
function checkProof(string, keys) {
  const m = /^c2sp\.org\/tlog-proof@v1\nextra (\S+)\nindex (0|[1-9]\d*)\n((?:\S{44}\n)*)\n([^]+)$/.exec(string);
  need(m, 'not a tlog-proof');
  const index = Number(m[2]);
  const path = m[3].split('\n').slice(0, -1).map(hash);
  const c = checkpointOf(m[4]);
  const extra = text(base64(m[1]));
  need(extra.endsWith('\n'), 'extra data');
  const [line, ...more] = extra.slice(0, -1).split('\n');
  const e = parseEvent(line);
  const leaf = leafHash(Buffer.from(line));
  need(included(leaf, index, c.size, path, c.root), 'the path does not lead to the checkpoint');
  let keyPath = null;
  const changes = [];
  for (const one of more) {
    need(keyPath === null, 'something behind the path to a key change');
    const { key_change: note, key_change_path: list } = parse(one) ?? {};
    if (list !== undefined) {
      need(JSON.stringify({ key_change_path: list }) === one, 'key_change_path');
      keyPath = hashes(list, 63);
      continue;
    }
    need(JSON.stringify({ key_change: note }) === one, 'key_change');
    const change = parseKeyChange(note);
    const before = changes.at(-1);
    need(change.origin === c.origin && change.index <= c.size && (!before || (before.to.id === change.from.id && before.index < change.index)), 'the key changes are not one chain');
    changes.push(change);
  }
  const trusted = [...keys];
  for (const n of changes) if (trusted.some((k) => k.id === n.from.id)) trusted.push(n.to);
  need(trusted.some((k) => k.signed(c, c.origin)), 'nobody who is trusted has signed the checkpoint');
  const behind = changes.find((n) => n.index > index);
  need((behind === undefined) === (keyPath === null), 'the path to the key change behind the event');
  if (behind) need(included(leaf, index, behind.index, keyPath, behind.root), 'the event was not in the log when its key was changed');
  if (e.form !== 'signed') return e.event;
  const at = behind ? behind.from : changes.at(-1)?.to;
  need(!at || at.id === e.keyID, 'the event is signed with another key than the log had');
  const key = trusted.find((k) => k.id === e.keyID);
  need(!key || key.verify(Buffer.from(e.json), e.signature), "the event's signature");
  return e.event;
}

// --- the log --------------------------------------------------------------

function checkLog(dir, keys, { checkpoints, receiptFiles, witnesses }) {
  const findings = [];
  const report = (kind, name, line, message, severity = 'tampering') => findings.push({ kind, name, line, message, severity });
  const kept = new Kept();
  const receipts = new Receipts();
  const filedNote = optional(dir, 'checkpoint');
  try {
    if (filedNote !== '') kept.add('checkpoint', filedNote);
  } catch (e) {
    if (!(e instanceof Malformed)) throw e;
    report('rollback', 'checkpoint', 0, e.message);
  }
  for (const path of checkpoints) kept.add(path, readFileSync(path, 'utf8'));
  for (const path of receiptFiles) receipts.read(path, readFileSync(path, 'utf8'), kept, report);

  const files = [];
  for (const name of readdirSync(dir).sort()) {
    const m = segmentName.exec(name);
    if (!m) continue;
    if (!lstatSync(join(dir, name)).isFile()) report('header_invalid', name, 0, 'not a regular file');
    else files.push({ name, index: Number(m[1]), compression: m[2] });
  }
  if (files.length === 0) throw new Error(`${dir} holds no segment`);
  files.sort((a, b) => a.index - b.index);
  files.at(-1).newest = true;

  const chain = new Chain(keys, filedKeyChanges(dir, report));
  const states = files.map((f) => checkSegment(f, dir, chain, kept, receipts, witnesses, report));
  const own = (action) => states.flatMap((s) => s.own.filter((o) => o.action === action).map((o) => ({ ...o, state: s })));
  const pruned = Math.max(0, ...own('pruned').map((o) => o.before));
  let end = { size: 0, root: new Tree(0, []).root() };
  let first = null;
  let origin = null;
  states.forEach((s, i) => {
    if (!s.start) return;
    origin ??= s.start.origin;
    if (s.start.origin !== origin) report('header_invalid', s.file.name, 1, 'a segment of another log');
    if (first === null) {
      first = s.start;
      if (s.start.size > pruned) report('segment_missing', s.file.name, 0, `leaves 0 to ${s.start.size - 1} are missing`);
    } else if (s.start.size > end.size) {
      report('segment_missing', s.file.name, 0, `leaves ${end.size} to ${s.start.size - 1} are missing`);
    } else if (s.start.size < end.size) {
      report('segment_overlap', s.file.name, 0, 'it starts before the one before it ends');
    } else if (!s.start.root.equals(end.root)) {
      report('root_mismatch', s.file.name, 1, 'its frontier is not the tree at the end of the segment before');
    }
    checkRotated(s, states[i - 1], report);
    end = s.good ?? s.start;
  });
  if (states.every((s) => s.trusted === 0)) throw Object.assign(new Error('no checkpoint is signed with a key given'), { findings });

  // What the log says of what it deleted fits the segment that follows.
  for (const o of own('pruned')) {
    const follows = states.find((s) => s.start?.size === o.before);
    if (follows && !follows.start.root.equals(hash(o.root_hash))) report('root_mismatch', o.state.file.name, o.number, 'what was pruned led to another tree than the segment behind it starts from');
  }
  for (const c of chain.filed) checkFiled(c, origin, end, states, report);
  kept.takePruned(dir, first, report);
  kept.judge([...chain.believed, ...chain.led(end.size).values()], origin, end, report);
  for (const [file, line, why] of receipts.wrong) report('receipt_invalid', file, line, why);
  const vouching = kept.all.filter((k) => k.found.length > 0 && k.found.every((root) => root.equals(k.root)));
  for (const w of witnesses) {
    for (const k of vouching) {
      try {
        if (w.cosigned(k)) w.size = Math.max(w.size, k.size);
      } catch (e) {
        if (!(e instanceof Malformed)) throw e;
        report('cosignature_invalid', k.name, 0, e.message);
      }
    }
    if (w.size < 0) report('not_witnessed', '', 0, `${w.name} has cosigned no checkpoint of this log`);
  }
  for (const o of own('contradicted')) {
    const w = witnesses.find((one) => one.name === o.witness);
    report('rollback', o.state.file.name, o.number, `${o.witness} has cosigned a tree that the log does not extend`, w && w.size <= o.index ? 'tampering' : 'warning');
  }
  return { findings, size: end.size, root: end.root, events: states.reduce((n, s) => n + s.events, 0) };
}

// checkRotated compares what a segment says of the one before it with that.
function checkRotated(s, before, report) {
  const says = s.own.find((o) => o.action === 'rotated');
  const p = says?.previous;
  if (!p || !before?.good || !before.start || p.first_index !== before.start.size || p.tree_size !== before.good.size) return;
  let fits = hash(p.root_hash).equals(before.good.root);
  if (fits && p.range) {
    const tree = before.tree.clone();
    try {
      tree.extend(p.tree_size, hashes(p.range, 128));
      fits = tree.root().equals(before.good.root);
    } catch (e) {
      if (!(e instanceof Malformed)) throw e;
      fits = false;
    }
  }
  if (!fits) report('root_mismatch', s.file.name, says.number, 'what the log says of the segment before does not fit that segment');
}

// checkFiled holds a key change of the file against the log.
function checkFiled(c, origin, end, states, report) {
  const say = (kind, why) => report(kind, 'key-changes', 0, why);
  if (c.origin !== origin) return say('key_change_invalid', `a key change of the log ${c.origin}`);
  if (c.index > end.size) return say('rollback', `the key was changed at leaf ${c.index}, but the log has ${end.size}`);
  const holds = states.findLast((s) => s.start && s.start.size <= c.index);
  if (!holds?.good || c.index >= holds.good.size) return undefined;
  if (holds.start.size === c.index && holds.names[0].id === c.to.id && holds.start.root.equals(c.root)) return undefined;
  return say('key_change_invalid', `a change of the key at leaf ${c.index}, where the log has none`);
}

function main(args) {
  const flags = { '--checkpoint': [], '--receipts': [], '--witness': [], '--proof': [] };
  const plain = [];
  for (let i = 0; i < args.length; i++) {
    if (flags[args[i]] && i + 1 < args.length) flags[args[i]].push(args[++i]);
    else plain.push(args[i]);
  }
  const [dir, ...pems] = plain;
  if (!dir || pems.length === 0) {
    console.error('usage: verify_log.mjs DIRECTORY PUBLIC_KEY.pem [SECOND.pem …] [--checkpoint FILE]… [--receipts FILE]… [--witness VKEY]… [--proof FILE]…');
    return 2;
  }
  const keys = pems.map((p) => new Key(readFileSync(p)));
  const { findings, size, root, events } = checkLog(dir, keys, {
    checkpoints: flags['--checkpoint'],
    receiptFiles: flags['--receipts'],
    witnesses: flags['--witness'].map((v) => new Witness(v)),
  });
  for (const path of flags['--proof']) {
    try {
      checkProof(readFileSync(path, 'utf8'), keys);
    } catch (e) {
      if (!(e instanceof Malformed)) throw e;
      findings.push({ kind: 'proof_fails', name: path, line: 0, message: e.message, severity: 'tampering' });
    }
  }
  const good = findings.every((f) => f.severity !== 'tampering');
  for (const f of findings) console.log(`${f.severity === 'tampering' ? '' : f.severity + ' '}${f.kind} ${f.name}:${f.line} ${JSON.stringify(f.message)}`);
  console.log(`${good ? 'good' : 'NOT GOOD'}: ${events} events, tree size ${size}, root ${root.toString('base64')}`);
  return good ? 0 : 1;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (e) {
  console.error(`verify_log: ${e.message}`);
  process.exitCode = 2;
}
