// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Values that can be erased (docs/format.md, section 6.7).

import { canonical, hash, isIndex, isObject, need, parse, sha256 } from './bytes.mjs';

const step = (pointer, key) => `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;

// commitments returns those of an event, by pointer.
export function commitments(event) {
  const found = new Map();
  const walk = (v, pointer, allowed) => {
    if (v === null || typeof v !== 'object') return;
    if (!Array.isArray(v) && Object.hasOwn(v, '$commit')) {
      need(allowed && Object.keys(v).length === 1, 'a commitment where none may be');
      found.set(pointer, hash(v.$commit));
      return;
    }
    for (const key of Object.keys(v)) {
      const next = step(pointer, key);
      walk(v[key], next, allowed || ['/body', '/resource/attributes', '/scope/attributes'].includes(next) || pointer === '/metadata');
    }
  };
  for (const member of ['resource', 'scope']) need(!isObject(event[member]?.attributes) || !Object.hasOwn(event[member].attributes, '$commit'), 'a commitment to all attributes');
  walk(event, '', false);
  return found;
}

// parseOpenings reads the lines of a file of openings, and returns them by their place, and
// those of a place that has one already.
export function parseOpenings(lines) {
  let leaf = 0;
  const places = new Map();
  const twice = [];
  for (const line of lines) {
    const o = parse(line);
    need(isObject(o) && isIndex(o.leaf) && typeof o.pointer === 'string' && Object.keys(o).length === 4 && o.value !== undefined, 'an opening that is not in the form of section 6.7');
    need(canonical(o) === line, 'an opening that is not in the form of section 6.7');
    need(leaf <= o.leaf, 'openings out of order');
    leaf = o.leaf;
    const place = `${o.leaf} ${o.pointer}`;
    const opening = { leaf: o.leaf, pointer: o.pointer, hash: sha256(Buffer.from('auditlog value v1\n'), hash(o.salt), Buffer.from(canonical(o.value))) };
    if (places.has(place)) twice.push(opening);
    else places.set(place, opening);
  }
  return { places, twice };
}
