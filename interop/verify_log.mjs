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
//
// Where the log changes its key it follows from the keys given to later ones, not
// to earlier ones.
//
// It prints one line for each finding and a summary. Exit status: 0 the log is
// good, 1 it is not, 2 it could not be checked.

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
    let top = { height: 0, hash: leaf };
    while (this.stack.length > 0 && this.stack.at(-1).height === top.height) {
      top = { height: top.height + 1, hash: nodeHash(this.stack.pop().hash, top.hash) };
    }
    this.stack.push(top);
    this.size++;
  }

  root() {
    if (this.stack.length === 0) return sha256();
    return this.stack.map((s) => s.hash).reduceRight((right, left) => nodeHash(left, right));
  }
}

// --- keys and signatures (section 5) --------------------------------------

class Key {
  static fromDER(der) {
    return new Key({ key: der, format: 'der', type: 'spki' });
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
  need(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/.test(h.created), 'created');
  need(h.origin.length > 0 && !h.origin.startsWith('{') && !/[\s\p{Cc}+]/u.test(h.origin), 'origin');
  for (const k of h.keys) need(sha256(base64(k.public_key)).subarray(0, 8).toString('hex') === k.id, 'a key id does not fit its key');
  h.frontier = h.frontier.map(base64);
  return h;
}

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
  const note = parseNote(string);
  need(note.lines.length === 4 && /^(0|[1-9]\d*)$/.test(note.lines[1]), 'checkpoint text');
  return { ...note, origin: note.lines[0], size: Number(note.lines[1]), root: base64(note.lines[2]) };
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
function filedKeyChanges(dir) {
  let lines;
  try {
    lines = readFileSync(join(dir, 'key-changes'), 'utf8').split('\n').slice(0, -1);
  } catch (e) {
    if (e.code === 'ENOENT') return [];
    throw e;
  }
  return lines.map((line) => parseKeyChange(parse(line).key_change));
}

// Chain is the keys that are trusted: given, or introduced by one that is.
class Chain {
  constructor(keys, filed) {
    this.keys = keys;
    this.filed = filed;
    this.current = null; // of the last segment that is trusted
  }

  // take decides whether a segment's keys are trusted. It returns the key before, if
  // the key was changed, or null; what is wrong is malformed.
  take(names, change, index, root) {
    const given = names.some((k) => this.keys.some((g) => g.id === k.id));
    const main = names[0];
    if (this.current === null) {
      // What led here may have been pruned.
      const trusted = new Set(this.keys.map((k) => k.id));
      for (const c of this.filed) if (c.index <= index && trusted.has(c.from.id)) trusted.add(c.to.id);
      if (given || trusted.has(main.id)) this.current = main;
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
    return out.buffer;
  }
  if (!zlib.zstdDecompressSync) throw new Error('this version of Node cannot read zstd: decompress the segments first');
  return zlib.zstdDecompressSync(stored);
}

// checkSegment returns what the segment says of itself, and reports findings.
function checkSegment(file, dir, chain, report) {
  const bytes = content(join(dir, file.name), file.compression);
  const state = { file, good: null, start: null, events: 0, pruned: [], trusted: 0 };
  let tree = null;
  let header = null;
  let names = []; // the keys that the header names
  let previous = null; // the key before, until a checkpoint has shown its signature
  let number = 0;
  let broken = false;
  for (let at = 0; at < bytes.length; ) {
    number++;
    let end = bytes.indexOf(10, at);
    const partial = end < 0;
    if (partial) end = bytes.length;
    const raw = bytes.subarray(at, end);
    at = end + 1;
    const finding = (kind, message) => report(kind, file.name, number, message);
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
        names = header.keys.map((k) => Key.fromDER(base64(k.public_key)));
        try {
          previous = chain.take(names, findKeyChange(bytes), tree.size, tree.root());
        } catch (e) {
          if (!(e instanceof Malformed)) throw e;
          finding('unknown_key', e.message);
        }
        state.believed = chain.current !== null && chain.current.id === names[0].id;
        tree.add(leafHash(raw));
      } else if (line.startsWith('{"event":')) {
        need(tree, 'an event before the header');
        state.events++;
        const index = tree.size;
        tree.add(leafHash(raw));
        const e = parseEvent(line);
        if (e.form === 'signed') {
          const key = state.believed && e.keyID === names[0].id ? names[0] : null;
          if (!key) finding('unknown_key', `event ${e.event.event_id} is signed with ${e.keyID}`);
          else if (!key.verify(Buffer.from(e.json), e.signature)) finding('event_signature_invalid', `event ${e.event.event_id}, index ${index}`);
        } else if (e.form === 'bare' && header.scope === 'event') {
          finding('unsigned_event', `event ${e.event.event_id}, index ${index}`);
        } else if (e.form === 'unsigned' && header.scope !== 'event') {
          need(false, '"signature":null in scope checkpoint');
        }
        if (e.event.log?.action === 'pruned') state.pruned.push(e.event.log);
        state.tail = number;
      } else if (line.startsWith('{"checkpoint":')) {
        need(tree, 'a checkpoint before the header');
        const c = parseCheckpoint(line);
        need(c.origin === header.origin, 'a checkpoint of another log');
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

// --- the log --------------------------------------------------------------

function checkLog(dir, keys) {
  const findings = [];
  const report = (kind, name, line, message) => findings.push({ kind, name, line, message });
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

  const chain = new Chain(keys, filedKeyChanges(dir));
  const states = files.map((f) => checkSegment(f, dir, chain, report));
  const pruned = Math.max(0, ...states.flatMap((s) => s.pruned.map((p) => p.before)));
  let end = null;
  let origin = null;
  for (const s of states) {
    if (!s.start) continue;
    origin ??= s.start.origin;
    if (s.start.origin !== origin) report('header_invalid', s.file.name, 1, 'a segment of another log');
    if (end === null) {
      if (s.start.size > pruned) report('segment_missing', s.file.name, 0, `leaves 0 to ${s.start.size - 1} are missing`);
    } else if (s.start.size > end.size) {
      report('segment_missing', s.file.name, 0, `leaves ${end.size} to ${s.start.size - 1} are missing`);
    } else if (s.start.size < end.size) {
      report('segment_overlap', s.file.name, 0, 'it starts before the one before it ends');
    } else if (!s.start.root.equals(end.root)) {
      report('root_mismatch', s.file.name, 1, 'its frontier is not the tree at the end of the segment before');
    }
    end = s.good ?? s.start;
  }
  if (states.every((s) => s.trusted === 0)) throw Object.assign(new Error('no checkpoint is signed with a key given'), { findings });
  return { findings, size: end.size, root: end.root, events: states.reduce((n, s) => n + s.events, 0) };
}

function main([dir, ...pems]) {
  if (!dir || pems.length === 0) {
    console.error('usage: verify_log.mjs DIRECTORY PUBLIC_KEY.pem [SECOND.pem …]');
    return 2;
  }
  const { findings, size, root, events } = checkLog(dir, pems.map((p) => new Key(readFileSync(p))));
  for (const f of findings) console.log(`${f.kind} ${f.name}:${f.line} ${JSON.stringify(f.message)}`);
  console.log(`${findings.length === 0 ? 'good' : 'NOT GOOD'}: ${events} events, tree size ${size}, root ${root.toString('base64')}`);
  return findings.length === 0 ? 0 : 1;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (e) {
  console.error(`verify_log: ${e.message}`);
  process.exitCode = 2;
}
