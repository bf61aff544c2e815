import test from 'ava';
import { assertAgreesUnderFaults } from './random-faults.ts';

for (const policy of ['commit', 'interval'] as const)
  test(`P14: if any calls of the disk fail, memory and disk agree, also after a kill (${policy})`, (t) =>
    assertAgreesUnderFaults(t, policy, 2));
