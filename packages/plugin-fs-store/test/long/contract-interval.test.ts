import { testStore } from '@worker-runtime/core/testing';
import test from 'ava';
import { makeHarness } from '../store-contract.ts';

testStore(test, () => makeHarness({ durability: { intervalMs: 20 } }));
