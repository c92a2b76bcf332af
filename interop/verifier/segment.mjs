// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// One segment, line by line (docs/format.md, section 7, steps 7 to 12).

import { attempt, ahead, need, text } from './bytes.mjs';
import { signers } from './keys.mjs';
import { checkOwn, eventMessage, headLines, knowsAction, maxLine, parseCommit, parseEvent } from './lines.mjs';
import { parseCheckpoint, parseCheckpointLine } from './notes.mjs';
import { consistent, leafHash, rootOver } from './tree.mjs';
import { parseOpenings } from './values.mjs';

const kinds = ['segment', 'event', 'commit', 'checkpoint'];
const kindOf = (raw) => kinds.find((k) => raw.subarray(0, k.length + 4).toString('latin1') === `{"${k}":`);

// Segment follows the lines of one segment. What they say counts once a checkpoint does.
export class Segment {
  constructor(file, head) {
    Object.assign(this, { file, head, trusted: false, vouched: false, previous: null, follows: false });
    this.good = null; // the tree of the last checkpoint that counts
    this.signed = false; // some checkpoint is signed by a trusted key, whether it fits or not
    this.own = []; // what the log says of itself
    Object.assign(this, { events: 0, commitments: 0, withheld: 0, opened: 0 });
  }

  get start() {
    return this.head.tree && { size: this.head.tree.size, root: this.head.tree.root() };
  }

  // end is where the log ends after this segment, as far as is known.
  get end() {
    return this.good ?? this.start;
  }

  // endsInCheckpoint says whether the last line is one, whatever it is worth.
  endsInCheckpoint() {
    const b = this.file.bytes;
    if (!b || b.length === 0 || b.at(-1) !== 10) return false;
    return kindOf(b.subarray(b.lastIndexOf(10, b.length - 2) + 1)) === 'checkpoint';
  }

  // check follows all lines. log is what the segments before have come to.
  check(log) {
    this.log = log;
    if (!this.file.bytes) return;
    if (this.head.wrong) this.finding('header_invalid', 1, this.head.wrong);
    if (this.file.unread && this.file.bytes.indexOf(10) < 0) return;
    if (!this.head.header) {
      this.lookForSignature();
      if (!this.head.wrong && this.file.active) this.finding('torn_tail', 1, 'it has no header yet', 'warning');
      else if (!this.head.wrong) this.finding('segment_truncated', 1, 'it has no header');
      return;
    }
    const { header } = this.head;
    if (header.newer) this.finding('newer_version', 1, `written by a newer version: this reader does not know ${header.newer}`, 'unchecked');
    this.tree = this.head.tree.clone();
    this.previousKey = this.previous; // until a checkpoint has shown its signature
    this.openings = this.readOpenings();
    this.told = new Set();
    this.reset();
    this.clock(1, header.created);
    this.meet();
    this.number = 0;
    this.tail = 0;
    const { bytes } = this.file;
    for (let at = 0; at < bytes.length; ) {
      this.number++;
      const end = bytes.indexOf(10, at);
      const raw = bytes.subarray(at, end < 0 ? bytes.length : end);
      if (raw.length > maxLine) {
        this.finding('segment_unreadable', this.number, 'a line is too long');
        return;
      }
      if (end < 0) {
        this.tail ||= this.number;
        break;
      }
      at = end + 1;
      const number = this.number;
      attempt(() => this.line(raw), (e) => this.doubt(raw, () => this.finding('event_malformed', number, e.message)));
    }
    if (this.tail && this.file.active) this.finding('torn_tail', this.tail, 'no checkpoint covers what follows', 'warning');
    else if (this.tail && !this.file.unread) this.finding('segment_truncated', this.tail, 'lines follow the last checkpoint of a sealed segment');
    this.settleOpenings();
  }

  finding(kind, line, message, severity = 'tampering') {
    this.log.report(kind, this.file.name, line, message, severity);
  }

  // doubt tells what is wrong with a line, unless a power cut explains it, which leaves NULs
  // where data had not reached the disk: then only if a checkpoint follows.
  doubt(raw, say) {
    if (this.file.active && raw.includes(0)) this.open.doubts.push(say);
    else say();
  }

  // reset begins what the next checkpoint is to cover.
  reset() {
    this.open = { own: [], met: [], vouches: [], ids: [], doubts: [], commitments: [], commit: null, before: { size: this.tree.size, root: this.tree.root() } };
  }

  // isSignedByTrusted says whether a trusted key has signed a checkpoint, and not as a
  // checkpoint key.
  isSignedByTrusted(c) {
    const beside = this.head.header?.keys.slice(1) ?? [];
    const keys = this.log.keys.filter((k) => !beside.some((b) => b.equals(k)));
    return attempt(() => signers(c, c.origin, keys).length > 0, () => false);
  }

  // lookForSignature does that in a segment that cannot be followed.
  lookForSignature() {
    for (const raw of this.file.bytes.toString('latin1').split('\n')) {
      if (!raw.startsWith('{"checkpoint":')) continue;
      attempt(() => {
        const signed = this.isSignedByTrusted(parseCheckpointLine(text(Buffer.from(raw, 'latin1'))));
        this.signed ||= signed;
        if (!signed) this.finding('unknown_key', 0, 'a checkpoint that no trusted key has signed');
      }, () => {});
    }
  }

  meet() {
    for (const k of this.log.kept.at(this.tree.size)) this.open.met.push([k, this.tree.root()]);
  }

  clock(line, time) {
    if (time < this.log.time && !this.told.has('back')) {
      this.told.add('back');
      this.finding('time_went_back', line, `${time} is before ${this.log.time}`, 'warning');
    }
    if (ahead(time, this.log.now + 300_000) && !this.told.has('future')) {
      this.told.add('future');
      this.finding('time_in_future', line, `${time} is ahead of the clock here`, 'warning');
    }
    this.log.time = time;
  }

  addLeaf(raw, id) {
    const leaf = leafHash(raw);
    this.tree.add(leaf);
    this.log.receipts.meet(leaf, id, this.file.name, this.number);
    this.meet();
  }

  line(raw) {
    const kind = kindOf(raw);
    if (kind === 'checkpoint') {
      this.checkpoint(text(raw));
      return;
    }
    this.tail ||= this.number;
    if (this.number === 1) {
      this.addLeaf(raw);
      return;
    }
    if (this.head.header.newer) {
      this.addLeaf(raw);
      return;
    }
    if (this.open.commit) {
      const number = this.number;
      this.open.commit = null;
      this.doubt(raw, () => this.finding('commit_invalid', number, 'it follows a commit in the place of its checkpoint'));
    }
    switch (kind) {
      case 'event':
        this.event(raw);
        break;
      case 'commit':
        this.commit(raw);
        break;
      default:
        this.addLeaf(raw);
        need(false, kind ? 'a second header' : 'not a line of a known kind');
    }
  }

  event(raw) {
    this.events++;
    const index = this.tree.size;
    const e = attempt(() => parseEvent(text(raw)), (error) => {
      this.addLeaf(raw);
      throw error;
    });
    this.addLeaf(raw, e.event.event_id);
    this.open.ids.push(e.event.event_id);
    for (const [pointer, hash] of e.commitments) this.open.commitments.push({ leaf: index, pointer, hash });
    const { header } = this.head;
    const what = `event ${e.event.event_id}, index ${index}`;
    if (e.form === 'signed') {
      const key = this.trusted && e.keyID === header.keys[0].id ? header.keys[0] : null;
      if (!key) this.finding('unknown_key', this.number, `${what}: signed with ${e.keyID}`);
      else if (!key.verify(eventMessage(header.origin, header.log, e.json), e.signature)) this.finding('event_signature_invalid', this.number, what);
    } else if (e.form === 'bare' && header.scope === 'event') {
      this.finding('unsigned_event', this.number, what);
    } else if (e.form === 'unsigned') {
      need(header.scope === 'event', '"signature":null in scope checkpoint');
      this.finding('unsigned_event', this.number, `${what}: written without a signature`, 'warning');
    }
    const { log } = e.event;
    if (!log) return;
    checkOwn(log);
    if (log.action === 'key_changed' && this.number !== 2) this.finding('key_change_invalid', this.number, 'a key change that is not on the second line');
    if (log.action === 'rotated' && this.number > headLines) return;
    if (!knowsAction(log.action)) this.finding('unknown_action', this.number, `an action that this reader does not know: ${log.action}`, 'info');
    this.open.own.push({ ...log, index, number: this.number, segment: this });
    if (log.action === 'witnessed') this.witnessed(log);
  }

  // witnessed checks what the log says of its witnesses (section 6.5).
  witnessed(log) {
    const c = parseCheckpoint(log.checkpoint);
    const vouches = [];
    for (const w of this.log.witnesses) {
      attempt(() => w.cosigned(c) && vouches.push([w, c.size]), (e) => this.finding('cosignature_invalid', this.number, e.message));
    }
    if (c.origin === this.head.header.origin && consistent(c, this.open.before, (log.proof ?? []).map((h) => Buffer.from(h, 'base64')))) this.open.vouches.push(...vouches);
    else this.finding('rollback', this.number, `witnesses have cosigned a checkpoint over ${c.size} leaves that the log does not extend`);
  }

  commit(raw) {
    this.addLeaf(raw);
    this.open.commit = { number: 0 };
    const c = parseCommit(text(raw));
    this.open.commit = c;
    // What it says counts once a checkpoint covers it.
    const { number } = this;
    const wrong = (what) => this.open.doubts.push(() => this.finding('commit_invalid', number, what));
    const wants = this.head.header.features.includes('ids');
    if (wants !== (c.ids !== undefined)) wrong(wants ? 'a commit without ids' : 'a commit with ids, which the header does not announce');
    else if (wants && !(c.ids.count === this.open.ids.length && c.ids.root.equals(rootOver(this.open.ids.map((id) => Buffer.from(id)))))) wrong('the ids of the commit are not those of its events');
  }

  checkpoint(line) {
    const { header } = this.head;
    const { commit } = this.open;
    if (!commit && !header.newer) this.finding('commit_invalid', this.number, 'a checkpoint that follows no commit');
    this.open.commit = null;
    const c = parseCheckpointLine(line);
    this.signed ||= this.isSignedByTrusted(c);
    if (c.origin !== header.origin) {
      this.finding('checkpoint_signature_invalid', this.number, `a checkpoint of the log ${c.origin}`);
      return;
    }
    const known = this.previous ? [...header.keys, this.previous] : header.keys;
    const by = attempt(() => signers(c, c.origin, known), (e) => {
      this.finding('checkpoint_signature_invalid', this.number, e.message);
      return null;
    });
    if (!by) return;
    const needed = this.previousKey ? [...header.keys, this.previousKey] : header.keys;
    const lacking = needed.find((k) => !by.includes(k));
    if (!this.trusted || lacking) {
      this.finding(this.trusted ? 'checkpoint_signature_invalid' : 'unknown_key', this.number, lacking ? `no valid signature of the key ${lacking.id}` : 'no valid signature of a trusted key');
      return;
    }
    if (this.good?.size === c.size && this.tree.size === c.size) {
      this.finding('line_inserted', this.number, 'the checkpoint repeats the one before it');
      return;
    }
    if (c.size !== this.tree.size || !c.root.equals(this.tree.root())) {
      if (!this.broken) this.finding('root_mismatch', this.number, `the checkpoint is over ${c.size} leaves; there are ${this.tree.size}, or one of them is another`);
      this.broken = true;
      return;
    }
    if (commit) this.counted(commit);
    this.previousKey = null;
    this.tail = 0;
    this.settle();
  }

  // counted checks the number and the time of a commit.
  counted(commit) {
    const expected = this.log.commit === null ? commit.number : this.log.commit + 1;
    if (commit.number !== expected) this.finding('commit_invalid', this.number - 1, `the commit has the number ${commit.number}, not ${expected}`);
    this.log.commit = commit.number;
    if (commit.time) this.clock(this.number - 1, commit.time);
  }

  // settle takes in what a checkpoint has shown to be the log's.
  settle() {
    this.good = { size: this.tree.size, root: this.tree.root() };
    const { own, met, vouches, doubts, commitments } = this.open;
    this.own.push(...own);
    for (const [k, root] of met) k.found.push(root);
    for (const [w, size] of vouches) w.size = Math.max(w.size, size);
    for (const say of doubts) say();
    for (const c of commitments) this.opening(c);
    this.reset();
  }

  readOpenings() {
    const name = `${this.file.stem}.values`;
    return attempt(() => {
      const { lines, rest } = this.log.dir.wholeLines(name) ?? { lines: [], rest: false };
      need(!rest || this.file.active, 'its last line is cut off');
      return parseOpenings(lines);
    }, (e) => {
      this.log.report('value_invalid', name, 0, e.message);
      return { places: new Map(), twice: [] };
    });
  }

  opening(commitment) {
    const name = `${commitment.leaf} ${commitment.pointer}`;
    const o = this.openings.places.get(name);
    this.openings.places.delete(name);
    if (!o) this.withheld++;
    else if (o.hash.equals(commitment.hash)) this.opened++;
    else this.log.report('value_invalid', `${this.file.stem}.values`, 0, `the value of leaf ${o.leaf} at ${o.pointer} is not the one that the log committed to`);
  }

  // settleOpenings looks at the openings that nothing has asked for.
  settleOpenings() {
    if (this.head.header.newer || this.broken) return;
    const { places, twice } = this.openings;
    for (const o of [...places.values(), ...twice]) {
      if ((this.file.active || this.file.unread) && o.leaf >= this.end.size) continue;
      this.log.report('value_invalid', `${this.file.stem}.values`, 0, `leaf ${o.leaf} has no commitment at ${o.pointer}, or one that is opened already`);
      return;
    }
  }
}
