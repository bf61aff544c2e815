/** The tests of this folder in one process, because its start takes longer than most of them. */
import { inTurns } from '@worker-runtime/core/testing';
import test from 'ava';
import './grants.test.ts';
import './killed.test.ts';
import './tools.test.ts';

inTurns(test);
