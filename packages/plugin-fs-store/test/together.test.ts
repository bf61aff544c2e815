/** The tests of this folder in one process, because its start takes longer than most of them. */
import { inTurns } from '@worker-runtime/core/testing';
import test from 'ava';
import './closing.test.ts';
import './doctor.test.ts';
import './idempotency-keys.test.ts';
import './line-numbers.test.ts';
import './lost-store.test.ts';
import './opening.test.ts';
import './order.test.ts';
import './power-loss.test.ts';
import './random-faults.test.ts';
import './trimming.test.ts';
import './unwritable.test.ts';

inTurns(test);
