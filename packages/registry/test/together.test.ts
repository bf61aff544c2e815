/** The tests of this folder in one process, because its start takes longer than most of them. */
import { inTurns } from '@worker-runtime/core/testing';
import test from 'ava';
import './conformance.test.ts';
import './identity.test.ts';
import './live.test.ts';
import './metrics.test.ts';
import './passage.test.ts';
import './registry.test.ts';
import './scope.test.ts';

inTurns(test);
