import { testStore } from '@worker-runtime/core/testing';
import test from 'ava';
import { makeHarness } from '../store-contract.ts';

// Segments are small, so that the contract is tested across many of them.
testStore(test, () => makeHarness({ durability: 'commit', segmentBytes: 65_536 }));
