// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// The files of a log's directory (docs/format.md, section 2).

import { lstatSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { Malformed, attempt, isMoment, need, text } from './bytes.mjs';
import { content, isOther, others } from './compressed.mjs';

// Directory is a log's directory.
export class Directory {
  constructor(path) {
    this.path = path;
    this.names = readdirSync(path).sort();
  }

  isRegular(name) {
    return lstatSync(join(this.path, name)).isFile();
  }

  // optional reads a text file, or returns null if it is not there.
  optional(name) {
    if (!this.names.includes(name)) return null;
    need(this.isRegular(name), 'it is not a regular file');
    return text(readFileSync(join(this.path, name)));
  }

  // segmentNames is the number of files that have a segment's name.
  segmentNames() {
    return this.names.filter((name) => parseName(name)).length + this.foreign().length;
  }

  // unknown are the names of files that are no part of the log.
  unknown(segments) {
    const stems = new Set(segments.map((s) => s.file.stem));
    return this.names.filter((name) => {
      if (['checkpoint', 'key-changes', 'pruned-ranges', '.lock'].includes(name)) return false;
      if (/^torn-\d{20}-[0-9a-f]{16}\.tail$/.test(name) || name.endsWith('.tmp')) return false;
      return !parseName(name) && !segments.some((s) => s.file.name === name) && !(name.endsWith('.values') && stems.has(name.slice(0, -7)));
    });
  }

  // wholeLines returns the lines of a text file up to its last LF, and whether something
  // follows that; null if the file is not there.
  wholeLines(name) {
    if (!this.names.includes(name)) return null;
    need(this.isRegular(name), 'it is not a regular file');
    const bytes = readFileSync(join(this.path, name));
    const end = bytes.lastIndexOf(10) + 1;
    return { lines: text(bytes.subarray(0, end)).split('\n').slice(0, -1), rest: end < bytes.length };
  }

  // foreign are segments that a compressor has been used on which this format does not have,
  // unless another form of the segment is there.
  foreign() {
    const seen = new Set(this.names.map((name) => parseName(name)?.stem));
    return this.names.flatMap((name) => {
      const suffix = Object.keys(others).find((s) => name.endsWith(`.jsonl${s}`));
      const parsed = suffix && parseName(name.slice(0, -suffix.length));
      if (!parsed || seen.has(parsed.stem) || !this.isRegular(name) || !isOther(join(this.path, name))) return [];
      seen.add(parsed.stem);
      return [{ ...parsed, name, compression: suffix }];
    });
  }

  // segments lists the segments in order, each once, with what they hold in bytes.
  segments(report) {
    const all = [];
    for (const name of this.names) {
      const parsed = parseName(name);
      if (!parsed) continue;
      if (!this.isRegular(name)) report('segment_unreadable', name, 0, 'it is not a regular file');
      else all.push(parsed);
    }
    all.push(...this.foreign());
    // Of the forms of one segment the plain one comes first.
    all.sort((a, b) => a.index - b.index || (a.stem < b.stem ? -1 : a.stem > b.stem ? 1 : 0) || a.name.length - b.name.length);
    const files = [];
    for (const f of all) {
      const read = attempt(() => content(join(this.path, f.name), f.compression), (e) => e);
      if (!(read instanceof Malformed)) Object.assign(f, read);
      const before = files.at(-1);
      if (before?.stem === f.stem) {
        if (f.unread || before.unread) report('segment_unreadable', f.name, 0, `it was not compared with ${before.name}: ${f.unread ?? before.unread}`, 'unchecked');
        else if (f.bytes && before.bytes?.equals(f.bytes)) report('compression_leftover', f.name, 0, `it holds the same as ${before.name}`, f.foreign ? 'warning' : 'info');
        else report('segment_overlap', f.name, 0, `it does not hold what ${before.name} holds`);
        continue;
      }
      if (!f.bytes) report('segment_unreadable', f.name, 0, read.message);
      const undo = 'Decompress it and verify again';
      if (f.unread) report('segment_unreadable', f.name, 0, `compressed by something else than the exporter: ${f.unread}. ${undo}`, 'unchecked');
      else if (f.foreign) report('foreign_compression', f.name, 0, `compressed by something else than the exporter: ${f.foreign}. ${undo}`, 'unchecked');
      files.push(f);
    }
    if (files.length > 0) files.at(-1).active = files.at(-1).compression === undefined;
    return files;
  }
}

// parseName returns what the name of a segment says, or null if it is none.
function parseName(name) {
  const m = /^(audit-(\d{20})-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z)\.jsonl(\.zst|\.gz)?$/.exec(name);
  if (!m) return null;
  const created = `${m[3]}-${m[4]}-${m[5]}T${m[6]}:${m[7]}:${m[8]}`;
  if (!Number.isSafeInteger(Number(m[2])) || !isMoment(created)) return null;
  return { name, stem: m[1], index: Number(m[2]), created, compression: m[9] };
}
