import { testStore } from '@worker-runtime/core/testing';
import test from 'ava';
import { makeHarness } from './store-contract.ts';

// Small segments, so that the contract is held across many of them.
testStore(test, () => makeHarness({ durability: 'commit', segmentBytes: 65_536 }));
