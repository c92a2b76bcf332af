// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// What a reader needs before it reads anything: bytes, text, JSON, times.

import { createHash } from 'node:crypto';

// Malformed says that something is not in the form that docs/format.md demands.
export class Malformed extends Error {}

// Foreign says that something was compressed in a way that is not read here.
export class Foreign extends Error {}

export function need(condition, message) {
  if (!condition) throw new Malformed(message);
}

// attempt calls f and hands what is malformed to otherwise.
export function attempt(f, otherwise) {
  try {
    return f();
  } catch (e) {
    if (e instanceof RangeError) return otherwise(new Malformed('nested too deeply'));
    if (!(e instanceof Malformed)) throw e;
    return otherwise(e);
  }
}

export const sha256 = (...parts) => {
  const h = createHash('sha256');
  for (const p of parts) h.update(p);
  return h.digest();
};

const strictUTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function text(bytes) {
  try {
    return strictUTF8.decode(bytes);
  } catch {
    throw new Malformed('not UTF-8');
  }
}

export function base64(s) {
  need(typeof s === 'string', 'base64 expected');
  const b = Buffer.from(s, 'base64');
  need(b.toString('base64') === s, 'base64 not in canonical form');
  return b;
}

// hash reads a hash in base64, hashes a list of them.
export function hash(s) {
  const h = base64(s);
  need(h.length === 32, 'a hash has not 32 bytes');
  return h;
}

export function hashes(list, most) {
  need(Array.isArray(list) && list.length <= most, 'a list of hashes expected');
  return list.map(hash);
}

// RFC 8785: JavaScript's own JSON.stringify defines strings and numbers; only
// the order of members has to be added. Sorting strings in JavaScript compares
// UTF-16 code units, which is the order the RFC asks for.
export function canonical(v) {
  if (Array.isArray(v)) return '[' + v.map(canonical).join(',') + ']';
  if (isObject(v)) return '{' + Object.keys(v).sort().map((k) => canonical(k) + ':' + canonical(v[k])).join(',') + '}';
  need(typeof v !== 'string' || v.isWellFormed(), 'a string with half a surrogate pair');
  return JSON.stringify(v);
}

export function parse(s) {
  try {
    return JSON.parse(s);
  } catch (e) {
    throw new Malformed(`not JSON: ${e.message}`);
  }
}

export const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);

export const isIndex = (n) => Number.isSafeInteger(n) && n >= 0 && !Object.is(n, -0);

export const decimal = /^(0|[1-9]\d*)$/;

// isTime says whether a string is a time of section 3, of a day and an hour that there are.
export function isTime(s) {
  const m = typeof s === 'string' && /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{9}Z$/.exec(s);
  return Boolean(m) && isMoment(m[1]);
}

// isMoment says whether YYYY-MM-DDThh:mm:ss is in the calendar.
export function isMoment(s) {
  const t = new Date(s + 'Z');
  return !Number.isNaN(t.getTime()) && t.toISOString().slice(0, 19) === s;
}

// Times of one form are compared as strings; ahead says whether one is later than a number
// of milliseconds since 1970.
export const ahead = (time, milliseconds) => time > new Date(milliseconds).toISOString().slice(0, 23) + '000000Z';

// topMembers are the names of the members of an object in JSON, as often as each is there:
// JSON.parse takes the last of several, other readers the first.
export function topMembers(string) {
  const names = [];
  let depth = 0;
  for (const [token, colon] of string.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[[\]{}]/g)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (colon && depth === 1) names.push(JSON.parse(token.slice(0, -colon.length)));
  }
  return names;
}
