/** The tests of this folder in one process, because its start takes longer than most of them. */
import { inTurns } from '@worker-runtime/core/testing';
import test from 'ava';
import './agents-that-deviate.test.ts';
import './content.test.ts';
import './contract.test.ts';
import './files.test.ts';
import './quiet.test.ts';
import './runs.test.ts';
import './settings.test.ts';

inTurns(test, 6);
