// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// The tree (docs/format.md, section 4), and proofs in it.

import { isIndex, need, sha256 } from './bytes.mjs';

export const leafHash = (line) => sha256(Buffer.from([0]), line);
const nodeHash = (l, r) => sha256(Buffer.from([1]), l, r);

// Tree is the compact state of a tree: its maximal perfect subtrees.
export class Tree {
  constructor(size = 0, frontier = []) {
    this.size = size;
    this.stack = [];
    const heights = [];
    for (let h = 0, n = BigInt(size); n > 0n; h++, n >>= 1n) if (n & 1n) heights.unshift(h);
    need(heights.length === frontier.length, 'the frontier does not fit first_index');
    heights.forEach((height, i) => this.stack.push({ height, hash: frontier[i] }));
  }

  add(leaf) {
    this.push(0, leaf);
  }

  // push adds a perfect subtree, which must begin where the tree ends.
  push(height, hash) {
    let top = { height, hash };
    while (this.stack.length > 0 && this.stack.at(-1).height === top.height) {
      top = { height: top.height + 1, hash: nodeHash(this.stack.pop().hash, top.hash) };
    }
    this.stack.push(top);
    this.size += 2 ** height;
  }

  // extend adds the maximal perfect subtrees of the leaves up to a size (section 7.1).
  extend(size, list) {
    need(isIndex(size) && size >= this.size, 'a range that ends before it begins');
    let i = 0;
    while (this.size < size) {
      let height = 0;
      while (this.size % 2 ** (height + 1) === 0 && this.size + 2 ** (height + 1) <= size) height++;
      need(i < list.length, 'a range with too few hashes');
      this.push(height, list[i++]);
    }
    need(i === list.length, 'a range with too many hashes');
  }

  clone() {
    return Object.assign(Object.create(Tree.prototype), { size: this.size, stack: [...this.stack] });
  }

  root() {
    if (this.stack.length === 0) return sha256();
    return this.stack.map((s) => s.hash).reduceRight((right, left) => nodeHash(left, right));
  }
}

// rootOver returns the root over leaves that are not lines, such as ids.
export function rootOver(leaves) {
  const tree = new Tree();
  for (const l of leaves) tree.add(leafHash(l));
  return tree.root();
}

const half = (n) => Math.floor(n / 2);

// included follows an audit path (RFC 6962, section 2.1.1) and says whether it leads from
// a leaf to a root.
export function included(leaf, index, size, path, root) {
  if (index >= size) return false;
  let r = leaf;
  let last = size - 1;
  for (const h of path) {
    if (last === 0) return false;
    if (index % 2 === 1 || index === last) {
      r = nodeHash(h, r);
      while (index % 2 === 0 && index !== 0) [index, last] = [half(index), half(last)];
    } else {
      r = nodeHash(r, h);
    }
    [index, last] = [half(index), half(last)];
  }
  return last === 0 && r.equals(root);
}

// consistent says whether a consistency proof (RFC 6962, section 2.1.2) leads from one tree
// to another.
export function consistent(first, second, path) {
  if (first.size === 0 || first.size > second.size) return false;
  if (first.size === second.size) return path.length === 0 && first.root.equals(second.root);
  let a = first.size - 1;
  let b = second.size - 1;
  while (a % 2 === 1) [a, b] = [half(a), half(b)];
  const rest = a === 0 ? [first.root, ...path] : path;
  if (rest.length === 0) return false;
  let fr = rest[0];
  let sr = rest[0];
  for (const h of rest.slice(1)) {
    if (b === 0) return false;
    if (a % 2 === 1 || a === b) {
      [fr, sr] = [nodeHash(h, fr), nodeHash(h, sr)];
      while (a % 2 === 0 && a !== 0) [a, b] = [half(a), half(b)];
    } else {
      sr = nodeHash(sr, h);
    }
    [a, b] = [half(a), half(b)];
  }
  return b === 0 && fr.equals(first.root) && sr.equals(second.root);
}
