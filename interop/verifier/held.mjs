// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// What is held against the log: checkpoints, receipts, pruned ranges (docs/format.md, steps
// 14 to 16, and sections 7.1 and 7.3).

import { attempt, hash, hashes, isIndex, need, parse, topMembers } from './bytes.mjs';
import { signers } from './keys.mjs';
import { parseCommit } from './lines.mjs';
import { parseCheckpoint } from './notes.mjs';
import { Tree, included, leafHash } from './tree.mjs';

// Kept is the checkpoints that the log must extend.
export class Kept {
  constructor() {
    this.all = [];
  }

  // add takes a checkpoint in. What is wrong with it by itself is held against the log if
  // the log has it in its own file, and otherwise against whoever kept it.
  add(name, string, { own = false, kind = 'rollback' } = {}) {
    const k = { name, own, kind, wrong: null, found: [], size: -1 };
    attempt(() => Object.assign(k, parseCheckpoint(string)), (e) => {
      k.wrong = e.message;
    });
    this.all.push(k);
  }

  at(size) {
    return this.all.filter((k) => k.size === size);
  }

  // open checks the signatures, with the keys that are trusted and the checkpoint keys next to
  // them.
  open(known) {
    for (const k of this.all) {
      if (k.wrong) continue;
      const by = attempt(() => signers(k, k.origin, known), (e) => {
        k.wrong = e.message;
        return [];
      });
      k.signed = by.length > 0;
      if (!k.signed) k.wrong ??= 'nobody who is trusted has signed it';
    }
  }

  // judge says what became of each; unreadUpTo returns the last segment
  // if that was not read to its end, and may go up to a size; cosigned says whether a witness has cosigned one.
  judge(origin, end, unreadUpTo, cosigned, report) {
    for (const k of this.all) {
      const unread = unreadUpTo(k.size);
      const contradicts = (why) => report(k.kind, k.name, 0, why);
      const unchecked = (why) => report('checkpoint_unchecked', k.name, 0, why, 'unchecked');
      const same = k.found.some((root) => root.equals(k.root));
      if (k.wrong) (k.own ? contradicts : unchecked)(k.wrong);
      else if (k.origin !== origin) (k.own ? contradicts : unchecked)(`it is of the log ${k.origin}`);
      else if (k.found.length > 0 && !(same && k.found.every((root) => root.equals(k.root)))) contradicts('it is of another history of the log');
      else if (same) k.honored = true;
      // A copy that was made while a collector wrote has a file that is ahead.
      else if (k.size > end.size && unread) report(k.kind, k.name, 0, `it is over ${k.size} leaves, and ${end.size} could be read: ${unread} may hold the others`, 'unchecked');
      else if (k.size > end.size && k.own && end.size > 0 && !cosigned(k)) report(k.kind, k.name, 0, `it is over ${k.size} leaves, but the log has ${end.size}: copy again`, 'unchecked');
      else if (k.size > end.size) contradicts(`it is over ${k.size} leaves, but the log has ${end.size}`);
      else unchecked(`nothing shows whether the log extends it, over ${k.size} leaves`);
    }
  }
}

// readPruned follows the file of pruned ranges (section 7.1) up to the first segment, which
// begins after a tree; there is none if nothing is known of it.
export function readPruned(dir, start, kept, report) {
  if (!start || start.size === 0) return;
  let number = 0;
  attempt(() => {
    const file = dir.wholeLines('pruned-ranges');
    if (file === null || file.lines.length === 0) return;
    const met = [];
    const tree = new Tree();
    for (const line of file.lines) {
      if (tree.size >= start.size) break;
      number++;
      takeRange(tree, line);
      for (const k of kept.at(tree.size)) met.push([k, tree.root()]);
    }
    need(tree.size === start.size && tree.root().equals(start.root), 'it does not lead to the tree that the first segment begins with');
    for (const [k, root] of met) if (k.size < start.size) k.found.push(root);
  }, (e) => report('pruned_ranges_invalid', 'pruned-ranges', number, e.message));
}

function takeRange(tree, line) {
  need(Buffer.byteLength(line) <= 8192, 'a line that is too long');
  const r = parse(line);
  need(JSON.stringify({ size: r?.size, subtrees: r?.subtrees }) === line, 'not in the form of section 7.1');
  need(isIndex(r.size) && r.size > tree.size, 'a size that is not above the one before');
  tree.extend(r.size, hashes(r.subtrees, 128));
}

// hasPruned says whether the file of pruned ranges begins with a good line.
export function hasPruned(dir) {
  return attempt(() => {
    const { lines } = dir.wholeLines('pruned-ranges') ?? { lines: [] };
    if (lines.length > 0) takeRange(new Tree(), lines[0]);
    return lines.length > 0;
  }, () => false);
}

// members are those of a receipt; others may have been added on its way.
const members = ['receipt', 'origin', 'event_id', 'index', 'leaf_hash', 'path', 'id_path', 'commit', 'commit_path', 'checkpoint'];

// Receipts is what producers hold (section 7.3).
export class Receipts {
  constructor() {
    this.leaves = new Map();
    this.wrong = [];
  }

  read(name, content, kept, report) {
    const seen = new Set();
    content.split('\n').forEach((line, i) => {
      if (line.trim() === '') return;
      attempt(() => {
        const r = parse(line);
        const names = topMembers(line).filter((n) => members.includes(n));
        need(names.length === new Set(names).size, 'a member that is there twice');
        this.add(`${name}:${i + 1}`, r, kept, seen);
      }, (e) => report('receipt_invalid', name, i + 1, e.message, 'unchecked'));
    });
  }

  add(where, r, kept, seen) {
    need(r?.receipt === 'auditlog/v1' && isIndex(r.index), 'not a receipt');
    const c = parseCheckpoint(r.checkpoint);
    need(c.origin === r.origin, 'a receipt of two logs');
    const leaf = hash(r.leaf_hash);
    need(included(leaf, r.index, c.size, hashes(r.path, 63), c.root), 'its path does not lead from its leaf to its checkpoint');
    need(typeof r.commit === 'string', 'a receipt without a commit');
    const { ids } = parseCommit(r.commit);
    need(ids, 'its commit has no ids');
    need(included(leafHash(Buffer.from(r.commit)), c.size - 1, c.size, hashes(r.commit_path, 63), c.root), 'its commit is not the last leaf of its checkpoint');
    if (r.event_id !== undefined) {
      const place = r.index - (c.size - 1 - ids.count);
      need(place >= 0 && place < ids.count && included(leafHash(Buffer.from(r.event_id)), place, ids.count, hashes(r.id_path, 63), ids.root), 'its event_id is not that of its leaf');
    }
    if (!seen.has(r.checkpoint)) kept.add(where, r.checkpoint, { kind: 'receipt_unfulfilled' });
    seen.add(r.checkpoint);
    const key = leaf.toString('hex');
    if (r.event_id !== undefined && !this.leaves.has(key)) this.leaves.set(key, { where, id: r.event_id });
  }

  // meet compares a leaf of the log with the receipt that there may be for it.
  meet(leaf, id, file, line) {
    if (this.leaves.size === 0) return;
    const r = this.leaves.get(leaf.toString('hex'));
    if (r && r.id !== id) this.wrong.push([file, line, `the receipt at ${r.where} is for this leaf, and names another event`]);
  }
}
