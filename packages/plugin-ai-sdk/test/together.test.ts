/** The tests of this folder in one process, because its start takes longer than most of them. */
import { inTurns } from '@worker-runtime/core/testing';
import test from 'ava';
import './answers.test.ts';
import './bounds.test.ts';
import './context.test.ts';
import './contract.test.ts';
import './conversation.test.ts';
import './embedded.test.ts';
import './files.test.ts';
import './forms.test.ts';
import './patience.test.ts';
import './restarting.test.ts';
import './settings.test.ts';
import './tools.test.ts';

inTurns(test);
