import { testRegistry } from '@worker-runtime/core/testing';
import test from 'ava';
import { registryHarness } from './registry-harness.ts';

testRegistry(test, () => registryHarness(async (registry) => ({ api: registry, close: async () => {} })));
