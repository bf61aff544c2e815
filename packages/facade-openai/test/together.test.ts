/** The tests of this folder in one process, because its start takes longer than most of them. */
import test from 'ava';
import { inTurns } from '../../core/test/in-turns.ts';
import './chat.test.ts';
import './killed.test.ts';
import './responses.test.ts';

inTurns(test);
