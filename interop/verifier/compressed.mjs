// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Compressed segments (docs/format.md, section 2). What decoders pass over without a word
// (further frames, checksums that are not there, bytes at the end) is looked at here.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import * as zlib from 'node:zlib';

import { Foreign, Malformed, need } from './bytes.mjs';

// Node has zstd from version 22.15 on. For older ones there is fzstd, if `npm ci` has been
// run in this directory's parent.
const decodeZstd = zlib.zstdDecompressSync ?? (await import('fzstd').then((m) => m.decompress, () => null));

// Compressors that this format does not have, by the suffix of their files, and how these begin.
export const others = {
  '.xz': Buffer.from('fd377a585a00', 'hex'), '.bz2': Buffer.from('BZh'), '.lz4': Buffer.from('04224d18', 'hex'), '.lz': Buffer.from('LZIP'),
  '.Z': Buffer.from('1f9d', 'hex'), '.zip': Buffer.from('PK\x03\x04', 'latin1'), '.7z': Buffer.from('377abcaf271c', 'hex'),
};

// isOther says whether a file begins like one of those.
export function isOther(path) {
  const file = openSync(path, 'r');
  const head = Buffer.alloc(6);
  const stored = head.subarray(0, readSync(file, head));
  closeSync(file);
  return Object.values(others).some((magic) => begins(stored, magic));
}

const begins = (b, magic) => b.subarray(0, magic.length).equals(magic);

// content returns what a segment file holds: bytes; foreign, which says in what the file is not
// as section 2 demands; and unread, which says why there may be more than bytes.
export function content(path, compression) {
  const stored = readFileSync(path);
  if (!compression) return { bytes: stored };
  if (Object.values(others).some((magic) => begins(stored, magic))) return { bytes: Buffer.alloc(0), unread: 'another compressor was used' };
  const is = begins(stored, Buffer.from('1f8b', 'hex')) ? '.gz' : isZstd(stored) ? '.zst' : null;
  need(is, `not a file as its name ends in ${compression}`);
  const read = is === '.gz' ? gunzip(stored) : unzstd(stored);
  if (is !== compression) read.foreign ??= `it is a file of ${is}`;
  return read;
}

// gunzip reads members (RFC 1952, section 2.3).
function gunzip(stored) {
  const all = [];
  let foreign;
  for (let at = 0; at < stored.length; ) {
    if (at > 0) foreign = 'several gzip members';
    if (stored[at + 3] !== 0) foreign = 'a gzip member with optional fields';
    at = afterHeader(stored, at);
    const { buffer, engine } = attemptDecoding(() => zlib.inflateRawSync(stored.subarray(at), { info: true }));
    at += engine.bytesWritten;
    need(at + 8 <= stored.length, 'the gzip member is cut off');
    need(stored.readUInt32LE(at) === crc32(buffer) && stored.readUInt32LE(at + 4) === buffer.length % 2 ** 32, 'the checksum of the gzip member');
    at += 8;
    all.push(buffer);
  }
  return { bytes: Buffer.concat(all), foreign };
}

// afterHeader returns where the header of a gzip member ends.
function afterHeader(b, start) {
  const has = (end) => need(end <= b.length, 'the gzip member is cut off');
  has(start + 10);
  need(b.readUIntBE(start, 3) === 0x1f8b08 && (b[start + 3] & 0xe0) === 0, 'not a gzip member');
  const flags = b[start + 3];
  let at = start + 10;
  if (flags & 4) {
    has(at + 2);
    at += 2 + b.readUInt16LE(at);
  }
  for (const text of [8, 16]) {
    if (!(flags & text)) continue;
    const end = b.indexOf(0, at);
    need(end >= 0 && end - at < 512, 'a name or a comment of a gzip member without an end');
    at = end + 1;
  }
  if (flags & 2) {
    has(at + 2);
    need(b.readUInt16LE(at) === (crc32(b.subarray(start, at)) & 0xffff), 'the checksum of the header of a gzip member');
    at += 2;
  }
  has(at);
  return at;
}

function attemptDecoding(f) {
  try {
    return f();
  } catch (e) {
    throw new Malformed(`the compressed content is damaged: ${e.message}`);
  }
}

const crcTable = Int32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(b) {
  let c = -1;
  for (const x of b) c = (c >>> 8) ^ crcTable[(c ^ x) & 255];
  return (c ^ -1) >>> 0;
}

const maxWindow = 8 * 1024 * 1024;

const skippable = (b, at) => at + 4 <= b.length && (b.readUInt32LE(at) & 0xfffffff0) === 0x184d2a50;

const isZstd = (b) => b.length >= 4 && (b.readUInt32LE(0) === 0xfd2fb528 || skippable(b, 0));

// unzstd reads frames (RFC 8878, section 3.1.1), up to the first one that takes too much memory
// or a dictionary.
function unzstd(stored) {
  if (!decodeZstd) {
    throw new Error('this version of Node cannot read zstd: use version 22.15 or later, or run `npm ci` in interop, or decompress the segments with `zstd -d` first');
  }
  const all = [];
  let foreign;
  for (let at = 0; at < stored.length; ) {
    if (at > 0 || skippable(stored, at)) foreign = 'several zstd frames';
    if (skippable(stored, at)) {
      need(at + 8 <= stored.length, 'the zstd frame is cut off');
      at += 8 + stored.readUInt32LE(at + 4);
      need(at <= stored.length, 'the zstd frame is cut off');
      continue;
    }
    let frame;
    try {
      frame = walkFrame(stored.subarray(at));
    } catch (e) {
      if (e instanceof Foreign) return { bytes: Buffer.concat(all), unread: e.message };
      throw e;
    }
    const bytes = stored.subarray(at, at + frame.length);
    const out = attemptDecoding(() => Buffer.from(decodeZstd(bytes)));
    if (frame.checksum) need(BigInt(bytes.readUInt32LE(bytes.length - 4)) === (xxh64(out) & 0xffffffffn), 'the checksum of the zstd frame');
    if (!frame.plain) foreign = 'a zstd frame without a checksum, or with fields that it does not need';
    all.push(out);
    at += frame.length;
  }
  return { bytes: Buffer.concat(all), foreign };
}

// walkFrame follows the outer structure of a frame. plain says that it is as section 2 demands.
function walkFrame(b) {
  const has = (at, n) => need(at + n <= b.length, 'the zstd frame is cut off');
  has(0, 6);
  need(b.readUInt32LE(0) === 0xfd2fb528, 'not a zstd frame');
  need((b[4] & 0x08) === 0, 'a reserved bit of a zstd frame');
  const plain = (b[4] & 0x1f) === 0x04;
  const checksum = (b[4] & 0x04) !== 0;
  const single = (b[4] & 0x20) !== 0;
  let at = 5;
  if (!single) {
    const base = 2 ** (10 + (b[at] >> 3));
    const window = base + (base / 8) * (b[at] & 7);
    at++;
    bound(window);
  }
  const dictionary = [0, 1, 2, 4][b[4] & 3];
  has(at, dictionary);
  if (b.subarray(at, at + dictionary).some((x) => x !== 0)) throw new Foreign('a zstd frame needs a dictionary');
  at += dictionary;
  const size = [single ? 1 : 0, 2, 4, 8][b[4] >> 6];
  has(at, size);
  if (single) {
    const length = size === 1 ? b[at] : size === 2 ? b.readUInt16LE(at) + 256 : size === 4 ? b.readUInt32LE(at) : Number(b.readBigUInt64LE(at));
    bound(length);
  }
  at += size;
  for (let last = false; !last; ) {
    has(at, 3);
    const head = b.readUIntLE(at, 3);
    last = (head & 1) === 1;
    const type = (head >> 1) & 3;
    need(type !== 3, 'a reserved zstd block');
    at += 3 + (type === 1 ? 1 : head >> 3);
  }
  if (checksum) at += 4;
  has(at, 0);
  return { length: at, checksum, plain };
}

function bound(window) {
  if (window > maxWindow) throw new Foreign('the window of a zstd frame is larger than 8 MiB');
}

// xxh64 is XXH64 with the seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
function xxh64(b) {
  const [p1, p2, p3, p4, p5] = [0x9e3779b185ebca87n, 0xc2b2ae3d27d4eb4fn, 0x165667b19e3779f9n, 0x85ebca77c2b2ae63n, 0x27d4eb2f165667c5n];
  const u64 = (n) => BigInt.asUintN(64, n);
  const rotate = (n, by) => u64((n << by) | (n >> (64n - by)));
  const round = (acc, lane) => u64(rotate(u64(acc + lane * p2), 31n) * p1);
  let at = 0;
  let h;
  if (b.length >= 32) {
    const v = [u64(p1 + p2), p2, 0n, u64(-p1)];
    for (; at + 32 <= b.length; at += 32) for (let i = 0; i < 4; i++) v[i] = round(v[i], b.readBigUInt64LE(at + 8 * i));
    h = u64(rotate(v[0], 1n) + rotate(v[1], 7n) + rotate(v[2], 12n) + rotate(v[3], 18n));
    for (const one of v) h = u64((h ^ round(0n, one)) * p1 + p4);
  } else {
    h = p5;
  }
  h = u64(h + BigInt(b.length));
  for (; at + 8 <= b.length; at += 8) h = u64(rotate(h ^ round(0n, b.readBigUInt64LE(at)), 27n) * p1 + p4);
  if (at + 4 <= b.length) {
    h = u64(rotate(h ^ u64(BigInt(b.readUInt32LE(at)) * p1), 23n) * p2 + p3);
    at += 4;
  }
  for (; at < b.length; at++) h = u64(rotate(h ^ u64(BigInt(b[at]) * p5), 11n) * p1);
  h = u64((h ^ (h >> 33n)) * p2);
  h = u64((h ^ (h >> 29n)) * p3);
  return h ^ (h >> 32n);
}
