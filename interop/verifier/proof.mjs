// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// The proof of a single event (docs/format.md, section 7.2).

import { base64, hash, hashes, isIndex, need, parse, text } from './bytes.mjs';
import { signers } from './keys.mjs';
import { eventMessage, parseCommit, parseEvent } from './lines.mjs';
import { parseCheckpoint, parseKeyChange, stringOn } from './notes.mjs';
import { included, leafHash } from './tree.mjs';

// checkProof checks a proof by itself, and returns its event.
export function checkProof(string, keys) {
  const m = /^c2sp\.org\/tlog-proof@v1\nextra (\S+)\nindex (0|[1-9]\d*)\n((?:\S{44}\n)*)\n([^]+)$/.exec(string);
  need(m, 'not a tlog-proof');
  const index = Number(m[2]);
  const path = m[3].split('\n').slice(0, -1).map(hash);
  const c = parseCheckpoint(m[4]);
  const extra = text(base64(m[1]));
  need(extra.endsWith('\n'), 'extra data');
  const lines = extra.slice(0, -1).split('\n');
  const take = (start) => (lines[0]?.startsWith(start) ? lines.shift() : undefined);
  const list = (member) => {
    const line = take(`{"${member}":`);
    if (line === undefined) return null;
    const value = parse(line)[member];
    need(JSON.stringify({ [member]: value }) === line, member);
    return hashes(value, 63);
  };

  const line = lines.shift();
  const e = parseEvent(line);
  const leaf = leafHash(Buffer.from(line));
  need(included(leaf, index, c.size, path, c.root), 'the path does not lead to the checkpoint');
  const log = hash(stringOn(take('{"log":') ?? '', 'log'));
  const changes = [];
  for (let one = take('{"key_change":'); one !== undefined; one = take('{"key_change":')) {
    const change = parseKeyChange(stringOn(one, 'key_change'));
    const before = changes.at(-1);
    need(change.origin === c.origin && change.log.equals(log) && change.index <= c.size, 'a key change of another log');
    need(!before || (before.to.equals(change.from) && before.index < change.index), 'the key changes are not one chain');
    changes.push(change);
  }
  const keyPath = list('key_change_path');
  const commit = take('{"commit":') ?? '';
  parseCommit(commit);
  const way = parse(lines.shift() ?? '');
  need(isIndex(way?.commit_index) && lines.length === 0, 'the path of the commit, and nothing after it');
  const commitPath = hashes(way.commit_path, 63);

  const trusted = [...keys];
  for (const n of changes) if (trusted.some((k) => k.equals(n.from)) && !trusted.some((k) => k.equals(n.to))) trusted.push(n.to);
  const by = signers(c, c.origin, trusted);
  need(by.length > 0, 'nobody who is trusted has signed the checkpoint');
  const newest = changes.findLast((n) => n.index < c.size);
  need(!newest || by.some((k) => k.equals(newest.to)), 'the key that the log had has not signed the checkpoint');
  const next = changes.find((n) => n.index > index);
  need((next === undefined) === (keyPath === null), 'the path to the key change after the event');
  if (next) need(included(leaf, index, next.index, keyPath, next.root), 'the event was not in the log when its key was changed');
  const bound = next ? { size: next.index, root: next.root } : c;
  need(way.commit_index > index && included(leafHash(Buffer.from(commit)), way.commit_index, bound.size, commitPath, bound.root), 'the commit is not in the log');
  if (e.form !== 'signed') return e.event;
  const at = next ? next.from : changes.at(-1)?.to;
  need(!at || at.id === e.keyID, 'the event is signed with another key than the log had');
  const key = trusted.find((k) => k.id === e.keyID);
  need(!key || key.verify(eventMessage(c.origin, log, e.json), e.signature), "the event's signature");
  return e.event;
}
