#!/usr/bin/env node
// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// A second implementation of the checks of docs/format.md, written from that
// page and sharing no code with the project: SHA-256, ECDSA and Ed25519 come
// from Node's crypto, JSON from the language. It shows that the page suffices,
// and keeps the Go verifier honest. It reads whole files, so use it on logs that
// fit into memory. Zstandard needs Node 22.15, or `npm ci` in this directory.
//
//   node verify_log.mjs DIRECTORY PUBLIC_KEY.pem [SECOND.pem …]
//        [--checkpoint-key PEM]… [--checkpoint FILE]… [--receipts FILE]…
//        [--witness VKEY]… [--proof FILE]… [--now TIME]
//
// The keys are trusted to sign events and checkpoints; --checkpoint-key names one that
// must sign checkpoints and makes nothing trusted. Where the log changes its key it follows
// from the keys given to later ones. The log must extend each checkpoint, and honor each
// receipt (docs/receipts.md); each witness must have cosigned one of its checkpoints. A
// proof of a single event (section 7.2) is checked by itself. --now is the clock to go by.
//
// It prints one line for each finding and a summary. Exit status: 0 the log is as its
// writer signed it, 1 it is not, 2 something could not be checked.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

import { attempt } from './verifier/bytes.mjs';
import { Key, Witness } from './verifier/keys.mjs';
import { checkLog, verdictOf } from './verifier/log.mjs';
import { checkProof } from './verifier/proof.mjs';

const statuses = { ok: 0, tampering: 1, unchecked: 2 };

// check checks what the arguments name, and returns the report.
export function check(args) {
  const flags = { '--checkpoint-key': [], '--checkpoint': [], '--receipts': [], '--witness': [], '--proof': [], '--now': [] };
  const plain = [];
  for (let i = 0; i < args.length; i++) {
    if (flags[args[i]] && i + 1 < args.length) flags[args[i]].push(args[++i]);
    else if (args[i].startsWith('--')) throw new Error(`an unknown flag, or one without a value: ${args[i]}`);
    else plain.push(args[i]);
  }
  const [dir, ...pems] = plain;
  if (!dir || pems.length === 0) {
    throw new Error('usage: verify_log.mjs DIRECTORY PUBLIC_KEY.pem [SECOND.pem …] [--checkpoint-key PEM]… [--checkpoint FILE]… [--receipts FILE]… [--witness VKEY]… [--proof FILE]… [--now TIME]');
  }
  const key = (path) => Key.fromPEM(readFileSync(path));
  const files = (flag) => flags[flag].map((path) => [path, readFileSync(path, 'utf8')]);
  const keys = pems.map(key);
  const now = flags['--now'].map(Date.parse).at(-1) ?? Date.now();
  if (Number.isNaN(now)) throw new Error('--now is no time');
  const report = checkLog(dir, keys, {
    checkpointKeys: flags['--checkpoint-key'].map(key), checkpoints: files('--checkpoint'), receipts: files('--receipts'),
    witnesses: flags['--witness'].map((v) => new Witness(v)), now,
  });
  for (const [path, content] of files('--proof')) {
    attempt(() => checkProof(content, keys), (e) => report.findings.push({ kind: 'proof_fails', name: path, line: 0, message: e.message, severity: 'tampering' }));
  }
  return { ...report, verdict: verdictOf(report.findings) };
}

// headline is what may be said of a log, no more than was checked.
function headline({ verdict, prunedBefore, withheld, events, size, root }) {
  const said = { ok: 'ok: unchanged', tampering: 'NOT GOOD: tampering', unchecked: 'UNCHECKED: not all could be checked' }[verdict];
  const deleted = prunedBefore > 0 ? `; leaves 0–${prunedBefore - 1} were deleted by retention, as the log says` : '';
  const erased = withheld > 0 ? `; values withheld: ${withheld}` : '';
  return `${said}${verdict === 'ok' ? deleted + erased : ''}: ${events} events, tree size ${size}, root ${root.toString('base64')}`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const report = check(process.argv.slice(2));
    for (const f of report.findings) console.log(`${f.severity === 'tampering' ? '' : f.severity + ' '}${f.kind} ${f.name}:${f.line} ${JSON.stringify(f.message)}`);
    console.log(headline(report));
    process.exitCode = statuses[report.verdict];
  } catch (e) {
    console.error(`verify_log: ${e.message}`);
    process.exitCode = 2;
  }
}
