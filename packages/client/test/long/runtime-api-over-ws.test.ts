import { testRuntimeApi } from '@worker-runtime/core/testing';
import test from 'ava';
import { clientHarness } from '../client-harness.ts';
import { TRANSPORTS } from '../live-transports.ts';

testRuntimeApi(test, () => clientHarness(TRANSPORTS.ws));
