// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Who signs what: heads of segments and key changes (docs/format.md, sections 5.2 and 7).

import { Malformed, attempt, need, text } from './bytes.mjs';
import { knowsAction, parseEvent, parseHeader } from './lines.mjs';
import { parseKeyChange, stringOn } from './notes.mjs';
import { Tree, leafHash } from './tree.mjs';

// readHead reads the first lines of a segment. What cannot be read stays away; the header's
// defect is told.
export function readHead(file) {
  const head = { header: null, wrong: null, note: null, change: null };
  if (!file.bytes) return head;
  const line = (at) => {
    const end = file.bytes.indexOf(10, at);
    return end < 0 ? null : file.bytes.subarray(at, end);
  };
  const first = line(0);
  if (!first) return head;
  const header = attempt(() => parseHeader(text(first)), (e) => e);
  if (header instanceof Malformed) return { ...head, wrong: header.message };
  head.header = header;
  head.leaf = leafHash(first);
  const tree = attempt(() => new Tree(header.index, header.frontier), (e) => e);
  if (tree instanceof Malformed) return { ...head, header: null, wrong: tree.message };
  head.tree = tree;
  if (header.index !== file.index) head.wrong = 'first_index is not the one in the name';
  else if (header.created.slice(0, 19) !== file.created) head.wrong = 'created is not the time in the name';
  const second = line(first.length + 1);
  if (second?.subarray(0, 9).toString() === '{"event":') {
    attempt(() => {
      const { event } = parseEvent(text(second));
      if (event.log?.action !== 'key_changed') return;
      head.note = event.log.key_change ?? '';
      head.change = parseKeyChange(head.note);
    }, () => {}); // the line will be found malformed, or the key change missing
  }
  return head;
}

export { knowsAction };

// readFiled reads the file of key changes. Their indexes rise.
export function readFiled(dir, report) {
  const say = (number, message) => report('key_change_invalid', 'key-changes', number, message);
  const { lines } = attempt(() => dir.wholeLines('key-changes'), (e) => say(0, e.message)) ?? { lines: [] };
  const changes = [];
  lines.forEach((line, i) => attempt(() => {
    need(Buffer.byteLength(line) <= 65536, 'a line that is too long');
    const c = parseKeyChange(stringOn(line, 'key_change'));
    need(changes.length === 0 || changes.at(-1).index < c.index, 'its index is not above the one before');
    changes.push(c);
  }, (e) => say(i + 1, e.message)));
  return changes;
}

// lead returns the keys that key changes up to an index lead to.
export function lead(keys, changes, index) {
  const trusted = [...keys];
  for (const c of changes) if (c.index <= index && trusted.some((k) => k.equals(c.from)) && !trusted.some((k) => k.equals(c.to))) trusted.push(c.to);
  return trusted;
}

// judge decides for each segment whether its signatures count (steps 2 to 5), and says what
// is wrong with the way in which keys have changed.
export function judge(segments, keys, checkpointKeys, filed, report) {
  const heads = segments.filter((s) => s.head.header);
  let before = null;
  for (const s of heads) {
    const { header, change, note } = s.head;
    const wrong = (kind, why) => report(kind, s.file.name, 1, why);
    const main = header.keys[0];
    const given = keys.some((k) => k.equals(main));
    const step = stepTo(before, s);
    if (step.wrong) wrong(step.kind, step.wrong);
    s.trusted = given;
    if (before === null) {
      if (header.index > 0) s.trusted ||= lead(keys, change ? [...filed.filter((c) => c.index < header.index), change] : filed, header.index).some((k) => k.equals(main));
    } else {
      s.trusted ||= before.trusted && !step.wrong;
      if (!step.wrong && note !== null && !change.from.equals(change.to)) s.previous = change.from;
    }
    s.follows = !step.wrong;
    before = s;
  }
  // What is trusted vouches for what came before it.
  for (let i = heads.length - 2; i >= 0; i--) if (heads[i + 1].trusted && heads[i + 1].follows && !heads[i].trusted) heads[i].trusted = heads[i].vouched = true;
  for (const k of checkpointKeys) judgeCheckpointKey(k, heads, report);
}

// stepTo checks the rule of section 5.2 between a segment and the one before, if any.
function stepTo(before, s) {
  const { header, change, note } = s.head;
  const wrong = (kind, message) => ({ kind, wrong: message });
  if (before && (before.head.header.newer || header.newer)) {
    // What a newer version may change otherwise is not known here.
    const same = before.head.header.keys[0].equals(header.keys[0]);
    const led = change && !misfit(s.head, change) && change.from.equals(before.head.header.keys[0]);
    return same || led ? {} : wrong('unknown_key', 'another key without a key change');
  }
  if (before) {
    const why = shortened(before.head.header, header);
    if (why) return wrong('retention_broken', why);
  }
  if (header.index === 0) return note === null ? {} : wrong('key_change_invalid', 'a key change at the beginning of the log');
  if (note === null) {
    if (!before || before.head.header.bound === header.bound) return {};
    const other = !before.head.header.keys[0].equals(header.keys[0]);
    return wrong(other ? 'unknown_key' : 'key_change_invalid', 'keys, scope or features change without a key change');
  }
  if (!change) return wrong('key_change_invalid', 'its key change is malformed');
  if (misfit(s.head, change) || change.index !== s.file.index) return wrong('unknown_key', 'its key change is one of another segment');
  if (!before) return {};
  const old = before.head.header;
  if (old.bound === header.bound) return wrong('key_change_invalid', 'a key change although nothing differs');
  if (!change.from.equals(old.keys[0])) return wrong('unknown_key', 'its key change is not from the key of the segment before');
  const leaving = old.keys.slice(1).filter((k) => !header.keys.some((o) => o.equals(k)));
  if (leaving.length !== change.leaving.length || !leaving.every((k, i) => k.equals(change.leaving[i]))) return wrong('unknown_key', 'a checkpoint key leaves without its key change');
  return {};
}

// misfit says whether a key change is not that which introduces a segment.
export function misfit({ header, tree, leaf }, change) {
  return !(change.origin === header.origin && change.log.equals(header.log) && change.index === header.index && change.root.equals(tree.root()) &&
    change.to.equals(header.keys[0]) && change.header.equals(leaf) && (header.newer || change.retain === header.retain));
}

// shortened says in what a header promises less than it must (section 3.6).
function shortened(old, header) {
  if (header.retain < old.retain) return 'it promises less than the header before';
  const age = Math.max(old.minAge, header.minAge);
  const least = new Date(Date.parse(header.created.slice(0, 19) + 'Z') + age * 1000);
  if (age === 0 || Number.isNaN(least.getTime()) || least.getUTCFullYear() > 9999) return '';
  return header.retain < least.toISOString().slice(0, 19) + header.created.slice(19) ? 'it does not promise what min_age says' : '';
}

// judgeCheckpointKey checks that a key signs all checkpoints from its first on.
function judgeCheckpointKey(key, heads, report) {
  let signs = false;
  let named = false;
  for (const s of heads.filter((h) => h.trusted)) {
    if (s.head.header.keys.some((k) => k.equals(key))) {
      signs = named = true;
    } else if (s.head.change?.leaving.some((k) => k.equals(key))) {
      signs = false;
      named = true;
    } else if (signs) {
      report('checkpoint_key_missing', s.file.name, 1, `the checkpoint key ${key.id} signs no more, and has not said so`);
      signs = false;
    }
  }
  if (!named) report('checkpoint_key_missing', '', 0, `no segment names the checkpoint key ${key.id}`, 'unchecked');
}
