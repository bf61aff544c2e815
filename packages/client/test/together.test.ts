/** The tests of this folder in one process, because its start takes longer than most of them. */
import { inTurns } from '@worker-runtime/core/testing';
import test from 'ava';
import './browser.test.ts';
import './calls.test.ts';
import './remote-error.test.ts';
import './resumed-stream.test.ts';
import './sockets.test.ts';
import './tokens.test.ts';

inTurns(test);
