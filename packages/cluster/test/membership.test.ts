import { testMembership } from '@worker-runtime/core/testing';
import test from 'ava';
import { MemoryMembership } from '../src/index.ts';

testMembership(test, async () => {
  const place = new MemoryMembership();
  return { join: async () => place, dispose: async () => {} };
});
