// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Signed notes: checkpoints (docs/format.md, section 3.4) and key changes (section 5.2).

import { base64, decimal, hash, isIndex, isTime, need, parse } from './bytes.mjs';
import { Key } from './keys.mjs';

const maxSignatures = 100;
const maxLeaving = 63;

// checkOrigin checks the name of a log.
export function checkOrigin(s) {
  need(typeof s === 'string' && s.isWellFormed(), 'origin');
  const bytes = Buffer.byteLength(s);
  need(bytes >= 1 && bytes <= 255 && !s.startsWith('{') && !/[\p{White_Space}\p{Cc}+]/u.test(s), `the origin ${JSON.stringify(s)}`);
}

function parseNote(note) {
  need(typeof note === 'string' && note.isWellFormed(), 'a note expected');
  need(!/[\x00-\x09\x0b-\x1f]/.test(note), 'a note with a control character');
  const split = note.lastIndexOf('\n\n');
  need(split >= 0 && note.endsWith('\n'), 'a note without signatures');
  const message = note.slice(0, split + 1);
  const signatures = note.slice(split + 2, -1).split('\n').map((s) => {
    const m = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(s);
    need(m && !/[\p{White_Space}+]/u.test(m[1]), 'a signature line');
    const b = base64(m[2]);
    need(b.length > 4, 'an empty signature');
    return { name: m[1], hash: b.subarray(0, 4), signature: b.subarray(4) };
  });
  need(signatures.length <= maxSignatures, 'too many signature lines');
  return { string: note, lines: message.slice(0, -1).split('\n'), message: Buffer.from(message), signatures };
}

// parseCheckpoint parses the signed note of a checkpoint.
export function parseCheckpoint(string) {
  const note = parseNote(string);
  const [origin, size, root] = note.lines;
  need(note.lines.length === 3 && decimal.test(size) && isIndex(Number(size)), 'not the text of a checkpoint');
  checkOrigin(origin);
  return { ...note, origin, size: Number(size), root: hash(root) };
}

// stringOn returns the string that a line holds in its one member.
export function stringOn(line, member) {
  const string = parse(line)?.[member];
  need(typeof string === 'string' && string.isWellFormed() && JSON.stringify({ [member]: string }) === line, `not a line of the form {"${member}":"…"}`);
  return string;
}

export const parseCheckpointLine = (line) => parseCheckpoint(stringOn(line, 'checkpoint'));

// parseKeyChange checks a key change and all its signatures.
export function parseKeyChange(string) {
  const note = parseNote(string);
  const [title, origin, log, index, root, from, to, header, retain, ...leaves] = note.lines;
  need(title === 'auditlog key change v1' && note.lines.length >= 9 && leaves.length <= maxLeaving, 'not the text of a key change');
  checkOrigin(origin);
  need(decimal.test(index) && isIndex(Number(index)), 'the index of a key change');
  need(retain.startsWith('retain ') && isTime(retain.slice(7)), 'the line retain of a key change');
  const change = {
    string, origin, log: hash(log), index: Number(index), root: hash(root), from: Key.fromBase64(from), to: Key.fromBase64(to),
    header: hash(header), retain: retain.slice(7),
    leaving: leaves.map((l) => {
      need(l.startsWith('leaves '), 'a line of a key change');
      return Key.fromBase64(l.slice(7));
    }),
  };
  const keys = change.from.equals(change.to) ? [change.from] : [change.from, change.to];
  keys.push(...change.leaving);
  need(keys.every((k, i) => keys.findIndex((o) => o.equals(k)) === i), 'a key change that names a key twice');
  need(note.signatures.length === keys.length, 'a key change with other signature lines than those of its keys');
  keys.forEach((k, i) => {
    const s = note.signatures[i];
    need(s.name === origin && s.hash.equals(k.noteHash(origin)) && k.verify(note.message, s.signature), 'a signature of a key change');
  });
  return change;
}
