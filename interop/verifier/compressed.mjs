// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Compressed segments (docs/format.md, section 2). What decoders pass over without a word
// (further frames, checksums that are not there, bytes at the end) is looked at here.

import { readFileSync } from 'node:fs';
import * as zlib from 'node:zlib';

import { Malformed, need } from './bytes.mjs';

// Node has zstd from version 22.15 on. For older ones there is fzstd, if `npm ci` has been
// run in this directory's parent.
const decodeZstd = zlib.zstdDecompressSync ?? (await import('fzstd').then((m) => m.decompress, () => null));

// content returns what a segment file holds.
export function content(path, compression) {
  const stored = readFileSync(path);
  switch (compression) {
    case '.gz':
      return gunzip(stored);
    case '.zst':
      return unzstd(stored);
    default:
      return stored;
  }
}

// gunzip reads exactly one member (RFC 1952, section 2.3) without optional fields.
function gunzip(stored) {
  need(stored.length >= 18 && stored.readUInt32BE(0) === 0x1f8b0800, 'not a gzip member without optional fields');
  const { buffer, engine } = attemptDecoding(() => zlib.inflateRawSync(stored.subarray(10), { info: true }));
  const end = 10 + engine.bytesWritten;
  need(stored.length === end + 8, 'bytes after the gzip member, or too few');
  need(stored.readUInt32LE(end) === crc32(buffer) && stored.readUInt32LE(end + 4) === buffer.length % 2 ** 32, 'the checksum of the gzip member');
  return buffer;
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

// unzstd reads exactly one frame (RFC 8878, section 3.1.1) with a checksum and without a
// dictionary.
function unzstd(stored) {
  if (!decodeZstd) {
    throw new Error('this version of Node cannot read zstd: use version 22.15 or later, or run `npm ci` in interop, or decompress the segments with `zstd -d` first');
  }
  walkFrame(stored);
  const out = attemptDecoding(() => Buffer.from(decodeZstd(stored)));
  need(BigInt(stored.readUInt32LE(stored.length - 4)) === (xxh64(out) & 0xffffffffn), 'the checksum of the zstd frame');
  return out;
}

// walkFrame follows the outer structure of a frame to the end of the bytes.
function walkFrame(b) {
  const has = (at, n) => need(at + n <= b.length, 'the zstd frame is cut off');
  has(0, 6);
  need(b.readUInt32LE(0) === 0xfd2fb528, 'not a zstd frame');
  need((b[4] & 0x1f) === 0x04, 'a zstd frame with a dictionary or without a checksum');
  const single = (b[4] & 0x20) !== 0;
  let at = 5;
  if (!single) {
    const base = 2 ** (10 + (b[at] >> 3));
    need(base + (base / 8) * (b[at] & 7) <= maxWindow, 'the window of a zstd frame');
    at++;
  }
  const size = [single ? 1 : 0, 2, 4, 8][b[4] >> 6];
  has(at, size);
  if (single) {
    const length = size === 1 ? b[at] : size === 2 ? b.readUInt16LE(at) + 256 : size === 4 ? b.readUInt32LE(at) : Number(b.readBigUInt64LE(at));
    need(length <= maxWindow, 'the window of a zstd frame');
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
  need(at + 4 === b.length, 'bytes after the zstd frame, or too few');
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
