// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// A whole log (docs/format.md, section 7).

import { Malformed, attempt, hash, hashes } from './bytes.mjs';
import { Directory } from './files.mjs';
import { judge, lead, misfit, readFiled, readHead } from './heads.mjs';
import { Kept, Receipts, hasPruned, readPruned } from './held.mjs';
import { Segment } from './segment.mjs';
import { Tree } from './tree.mjs';

// Findings about the form of a file, of which nobody may have signed anything.
const ofForm = new Set(['event_malformed', 'commit_invalid', 'header_invalid', 'segment_missing', 'segment_unreadable', 'unsigned_event', 'key_change_invalid', 'value_invalid']);

// checkLog checks the log in a directory. options has checkpointKeys, checkpoints and
// receipts, both as [name, content], witnesses and now, in milliseconds since 1970.
export function checkLog(path, keys, options = {}) {
  const { checkpointKeys = [], checkpoints = [], receipts: receiptFiles = [], witnesses = [], now = Date.now() } = options;
  let findings = [];
  const report = (kind, name, line, message, severity = 'tampering') => {
    findings.push({ kind, name, line, message, severity });
  };
  const dir = new Directory(path);
  const kept = new Kept();
  const receipts = new Receipts();
  const filedNote = attempt(() => dir.optional('checkpoint'), (e) => e);
  if (filedNote !== null && filedNote !== '') kept.add('checkpoint', filedNote instanceof Malformed ? '' : filedNote, { own: true });
  for (const [name, content] of checkpoints) kept.add(name, content);
  for (const [name, content] of receiptFiles) receipts.read(name, content, kept, report);

  const files = dir.segments(report);
  if (dir.segmentNames() === 0 && kept.all.every((k) => !k.own)) throw new Error(`${path} holds no segment`);
  const segments = files.map((f) => new Segment(f, readHead(f)));
  const filed = readFiled(dir, report);
  judge(segments, keys, checkpointKeys, filed, report);
  const believed = segments.filter((s) => s.trusted);
  const led = lead(keys, [...filed, ...segments.map((s) => s.head.change).filter((c) => c)].sort((a, b) => a.index - b.index), Infinity);
  const firsts = segments.flatMap((s) => s.head.header?.keys[0] ?? []);
  const besides = segments.flatMap((s) => s.head.header?.keys.slice(1) ?? []);
  const has = (list, key) => list.some((k) => k.equals(key));
  // A key that signs checkpoints only answers for none.
  const trusted = unique([...led, ...believed.map((s) => s.head.header.keys[0])]).filter((k) => has(firsts, k) || !has(besides, k));
  const known = unique([...trusted, ...checkpointKeys, ...believed.flatMap((s) => s.head.header.keys)]);
  kept.open(known);

  const first = segments.find((s) => s.head.header);
  const identity = first?.head.header;
  const log = { report, dir, kept, receipts, witnesses, now, keys: trusted, commit: identity?.index === 0 ? 0 : null, time: '' };
  for (const s of segments) {
    const { header } = s.head;
    if (header && (header.origin !== identity.origin || !header.log.equals(identity.log))) report('header_invalid', s.file.name, 1, 'a segment of another log');
    s.check(log);
    if (!header || header.newer || s.file.unread) log.commit = null;
  }
  for (const name of dir.unknown(segments)) report('unknown_file', name, 0, 'it is no part of the log, and was not looked at', 'info');
  const own = (action) => segments.flatMap((s) => s.own.filter((o) => o.action === action));
  const pruned = own('pruned').reduce((a, b) => (a && a.before >= b.before ? a : b), null);
  join(segments, pruned, report);
  // The log goes up to the last checkpoint that counts.
  const end = segments.findLast((s) => s.good)?.good ?? { size: 0, root: new Tree().root() };
  for (const o of own('pruned')) {
    const follows = segments.find((s) => s.start?.size === o.before);
    if (follows && !follows.start.root.equals(hash(o.root_hash))) report('root_mismatch', o.segment.file.name, o.number, 'what was pruned led to another tree than the segment after it starts from');
  }
  if (pruned) judgePromises(pruned, segments, filed, now, report);
  for (const s of segments) checkRotated(s, segments[segments.indexOf(s) - 1], report);
  judgeFiled(filed, identity, end, segments, report);
  readPruned(dir, segments[0]?.start, kept, report);
  if ((filedNote === null || filedNote === '') && end.size > 0) report('checkpoint_missing', 'checkpoint', 0, 'the file is not there, or empty', 'warning');
  const cosigned = (k) => witnesses.some((w) => attempt(() => w.cosigned(k), () => false));
  kept.judge(identity?.origin ?? kept.all.find((k) => k.signed)?.origin, end, (size) => unreadUpTo(segments, size), cosigned, report);
  for (const [file, line, why] of receipts.wrong) report('receipt_invalid', file, line, why);
  judgeWitnesses(witnesses, kept, own('contradicted'), report);

  const nothing = (why) => report('nothing_checked', '', 0, `${why}: nothing of it could be checked`, 'unchecked');
  const changes = [...filed, ...segments.map((s) => s.head.change).filter((c) => c)];
  if (firsts.length > 0 && believed.length === 0 && !changes.some((c) => has(keys, c.from))) {
    // It may be somebody else's log, or the wrong key.
    findings = [];
    nothing('the log is not signed with any of the keys given');
  } else if (!segments.some((s) => s.signed)) {
    nothing('no checkpoint is signed with a trusted key');
    if (dir.segmentNames() <= 1 && segments.every((s) => s.file.active)) {
      // Nobody answers for a single file, unless something is there that only a log leaves.
      for (const f of findings) if (f.severity === 'tampering' && ofForm.has(f.kind) && (f.name !== 'key-changes' || segments.length === 0)) f.severity = 'unchecked';
      if (hasPruned(dir)) report('segment_missing', 'pruned-ranges', 0, 'it tells of a log of which nothing is there');
    }
  }
  const total = (member) => segments.reduce((n, s) => n + s[member], 0);
  return {
    findings, verdict: verdictOf(findings), size: end.size, root: end.root, prunedBefore: segments[0]?.start?.size ?? 0,
    events: total('events'), withheld: total('withheld'), opened: total('opened'),
  };
}

const unique = (keys) => keys.filter((k, i) => keys.findIndex((o) => o.equals(k)) === i);

// verdictOf is what findings come to (section 7.6).
export function verdictOf(findings) {
  for (const severity of ['tampering', 'unchecked']) if (findings.some((f) => f.severity === severity)) return severity;
  return 'ok';
}

// join checks that the segments are windows on one tree without a hole.
function join(segments, pruned, report) {
  let end = null;
  let sure = true;
  let unread; // why the segment before may go further
  for (const s of segments) {
    const { file, start } = s;
    const index = start?.size ?? file.index;
    const wrong = (kind, message) => report(kind, file.name, 0, message);
    if (end === null) {
      // What was not read may say what retention has deleted.
      const severity = segments.some((one) => one.file.unread) ? 'unchecked' : 'tampering';
      if (index > (pruned?.before ?? 0)) report('segment_missing', file.name, 0, `leaves 0 to ${index - 1} are missing`, severity);
      else if (index > 0) report('pruned', file.name, 0, `leaves 0 to ${index - 1} were deleted by retention, as the log says`, 'info');
    } else if (sure) {
      if (index > end.size && !unread) wrong('segment_missing', `leaves ${end.size} to ${index - 1} are missing`);
      else if (index < end.size) wrong('segment_overlap', 'it starts before the one before it ends');
      else if (start && !start.root.equals(end.root)) wrong('root_mismatch', 'its frontier is not the tree at the end of the segment before');
    }
    // Where a segment ends that nothing is known of has been told, and is guessed no more.
    sure = s.good !== null || Boolean(file.active);
    unread = file.unread;
    end = s.end ?? end ?? { size: 0, root: new Tree().root() };
  }
}

// unreadUpTo is the name of the last segment that counts, if that was not read to its end and
// may go up to a size. After it there may be an active one of which nothing counts yet.
function unreadUpTo(segments, size) {
  const last = segments.findLast((s) => s.file.unread || s.good || !s.file.active || (s.start?.size ?? s.file.index) < size);
  return last?.file.unread && last.file.name;
}

// judgePromises holds what retention has deleted against what was promised (section 3.6).
function judgePromises(pruned, segments, filed, now, report) {
  const changes = [...filed, ...segments.map((s) => s.head.change).filter((c) => c)];
  const promises = changes.filter((c) => c.index <= pruned.before).map((c) => c.retain);
  for (const s of segments) if (s.head.header && !s.head.header.newer && s.head.header.index <= pruned.before) promises.push(s.head.header.retain);
  const latest = promises.sort().at(-1);
  if (latest && latest > new Date(now).toISOString().slice(0, 23) + '000000Z') {
    report('retention_broken', pruned.segment.file.name, pruned.number, `leaves before ${pruned.before} were not to be deleted before ${latest}`);
  }
}

// checkRotated compares what a segment says of the one before it with that.
function checkRotated(s, before, report) {
  const says = s.own.find((o) => o.action === 'rotated');
  const p = says?.previous;
  if (p && before?.file.unread && p.first_index !== before.file.index) report('segment_missing', s.file.name, says.number, 'another segment is in the place of the one before');
  if (!p || !before?.good || !before.start || p.first_index !== before.start.size || p.tree_size !== before.good.size) return;
  let fits = hash(p.root_hash).equals(before.good.root);
  if (fits && p.range) {
    const tree = before.head.tree.clone();
    fits = attempt(() => {
      tree.extend(p.tree_size, hashes(p.range, 128));
      return tree.root().equals(before.good.root);
    }, () => false);
  }
  if (!fits) report('root_mismatch', s.file.name, says.number, 'what the log says of the segment before does not fit that segment');
}

// judgeFiled holds the file of key changes against the log.
function judgeFiled(filed, identity, end, segments, report) {
  const say = (kind, why) => report(kind, 'key-changes', 0, why);
  let newest = segments.findLast((s) => s.good && s.head.header)?.head.header.keys[0];
  for (const c of filed) {
    const leads = newest && c.index >= end.size && newest.equals(c.from);
    if (leads) newest = c.to;
    const holds = segments.findLast((s) => s.start && s.start.size <= c.index);
    if (identity && (c.origin !== identity.origin || !c.log.equals(identity.log))) {
      say('key_change_invalid', `a key change of the log ${c.origin}, or of another of that name`);
    } else if (c.index > end.size && leads && end.size > 0) {
      report('rollback', 'key-changes', 0, `the key was changed at leaf ${c.index}, but the log has ${end.size}: copy again`, 'unchecked');
    } else if (c.index > end.size && unreadUpTo(segments, c.index)) {
      report('rollback', 'key-changes', 0, `the key was changed at leaf ${c.index}, and ${end.size} could be read`, 'unchecked');
    } else if (c.index > end.size) {
      say('rollback', `the key was changed at leaf ${c.index}, but the log has ${end.size}`);
    } else if (holds?.good && c.index < holds.good.size && (holds.start.size !== c.index || misfit(holds.head, c))) {
      say('key_change_invalid', `a key change at leaf ${c.index}, where the log has none or another`);
    }
  }
  // Of the segments that were deleted they are one chain, up to the first that is there.
  const first = segments[0];
  if (!first?.start || first.start.size === 0) return;
  const chain = filed.filter((c) => c.index <= first.start.size);
  if (first.head.change?.index === first.start.size && chain.at(-1)?.index !== first.start.size) chain.push(first.head.change);
  const broken = chain.some((c, i) => i > 0 && !chain[i - 1].to.equals(c.from));
  if (broken || (chain.length > 0 && !chain.at(-1).to.equals(first.head.header.keys[0]))) say('key_change_invalid', 'a key change of the deleted segments is missing');
}

function judgeWitnesses(witnesses, kept, contradictions, report) {
  for (const w of witnesses) {
    for (const k of kept.all.filter((one) => one.honored)) {
      attempt(() => {
        if (w.cosigned(k)) w.size = Math.max(w.size, k.size);
      }, (e) => report('cosignature_invalid', k.name, 0, e.message, k.own ? 'tampering' : 'unchecked'));
    }
    if (w.size < 0) report('not_witnessed', '', 0, `${w.name} has cosigned no checkpoint of this log`, 'unchecked'); // it may never have been its witness
  }
  for (const o of contradictions) {
    const w = witnesses.find((one) => one.name === o.witness);
    report('rollback', o.segment.file.name, o.number, `${o.witness} has cosigned a tree that the log does not extend`, w && w.size <= o.index ? 'tampering' : 'warning');
  }
}
