/** The tests of this folder in one process, because its start takes longer than most of them. */
import { inTurns } from '@worker-runtime/core/testing';
import test from 'ava';
import './authority.test.ts';
import './conformance.test.ts';
import './cuts.test.ts';
import './hostile.test.ts';
import './observing.test.ts';
import './shutdown.test.ts';
import './text-frame.test.ts';
import './third-party.test.ts';

inTurns(test);
