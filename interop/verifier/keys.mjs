// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Keys and signatures (docs/format.md, section 5).

import { createPublicKey, verify as cryptoVerify } from 'node:crypto';

import { Malformed, base64, need, sha256 } from './bytes.mjs';

// The two forms of a SubjectPublicKeyInfo, up to the point.
const prefixes = {
  ed25519: Buffer.from('302a300506032b6570032100', 'hex'),
  'ecdsa-p256-sha256': Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'),
};

// Points of Ed25519 of small order, without the sign, little-endian: for these anybody can
// make signatures.
const smallOrder = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

// checkEd25519 refuses points of small order, and encodings with a y that is not reduced.
function checkEd25519(point) {
  const y = Buffer.from(point);
  y[31] &= 0x7f;
  need(!smallOrder.has(y.toString('hex')), 'an Ed25519 key of small order');
  const value = BigInt('0x' + Buffer.from(y).reverse().toString('hex'));
  need(value < 2n ** 255n - 19n, 'an Ed25519 key in a non-canonical encoding');
}

const keys = new Map(); // by DER, in base64

export class Key {
  // fromDER takes the one encoding that a key has.
  static fromDER(der) {
    const name = der.toString('base64');
    if (!keys.has(name)) keys.set(name, new Key(der));
    return keys.get(name);
  }

  static fromBase64(s) {
    return Key.fromDER(base64(s));
  }

  static fromPEM(pem) {
    return Key.fromDER(createPublicKey(pem).export({ type: 'spki', format: 'der' }));
  }

  constructor(der) {
    this.algorithm = Object.keys(prefixes).find((a) => der.subarray(0, prefixes[a].length).equals(prefixes[a]));
    need(this.algorithm, 'a key that is neither P-256 nor Ed25519');
    need(der.length === (this.algorithm === 'ed25519' ? 44 : 91), 'a public key of another length');
    if (this.algorithm === 'ed25519') checkEd25519(der.subarray(-32));
    try {
      this.key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    } catch (e) {
      throw new Malformed(`a public key: ${e.message}`);
    }
    this.der = der;
    this.id = sha256(der).subarray(0, 8).toString('hex');
  }

  equals(other) {
    return this.der.equals(other.der);
  }

  verify(message, signature) {
    if (signature.length === 0) return false;
    return cryptoVerify(this.algorithm === 'ed25519' ? null : 'sha256', message, this.key, signature);
  }

  noteHash(origin) {
    if (this.algorithm === 'ed25519') {
      return sha256(Buffer.from(origin + '\n'), Buffer.from([1]), this.der.subarray(-32)).subarray(0, 4);
    }
    return sha256(this.der).subarray(0, 4);
  }
}

// signers returns those of the known keys that have signed a note of that name. A line of
// one of them that does not verify spoils the note (section 3.4).
export function signers(note, name, known) {
  return known.filter((k) => {
    const line = note.signatures.find((s) => s.name === name && s.hash.equals(k.noteHash(name)));
    if (!line) return false;
    need(k.verify(note.message, line.signature), `a signature of the key ${k.id} that it did not make`);
    return true;
  });
}

// Witness is the verifier key of a witness (section 6.5).
export class Witness {
  constructor(vkey) {
    const [, name, hash, encoded] = /^([^+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(vkey.trim()) ?? [];
    const bytes = encoded ? Buffer.from(encoded, 'base64') : Buffer.alloc(0);
    const want = sha256(Buffer.from(name + '\n'), bytes).subarray(0, 4);
    if (bytes.length !== 33 || bytes[0] !== 4 || want.toString('hex') !== hash) throw new Error(`not the verifier key of a witness: ${vkey}`);
    this.name = name;
    this.hash = want;
    this.key = createPublicKey({ key: Buffer.concat([prefixes.ed25519, bytes.subarray(1)]), format: 'der', type: 'spki' });
    this.size = -1; // of the newest tree that it vouches for
  }

  // cosigned says whether a note bears a cosignature of the witness. One that bears its
  // name and is not its own is malformed.
  cosigned(note) {
    const lines = note.signatures.filter((s) => s.name === this.name && s.hash.equals(this.hash));
    if (lines.length === 0) return false;
    need(lines.length === 1 && lines[0].signature.length === 72, `a cosignature of ${this.name}`);
    const time = lines[0].signature.readBigUInt64BE(0);
    const message = Buffer.concat([Buffer.from(`cosignature/v1\ntime ${time}\n`), note.message]);
    need(cryptoVerify(null, message, this.key, lines[0].signature.subarray(8)), `a cosignature that ${this.name} did not make`);
    return true;
  }
}
