#!/usr/bin/env node
// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Checks many logs in one process, for the differential campaign: each line of standard
// input is the arguments of verify_log.mjs as a JSON array, and is answered with one line,
// the verdict and its findings, or the error that kept the log from being checked.

import { createInterface } from 'node:readline';

import { check } from './verify_log.mjs';

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const { verdict, findings, withheld } = check(JSON.parse(line));
    answer = { verdict, withheld, findings: findings.map((f) => `${f.severity} ${f.kind} ${f.name}:${f.line} ${f.message}`) };
  } catch (e) {
    answer = { verdict: 'unchecked', findings: [`error ${e.stack}`] };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
