/** The tests of this folder in one process, because its start takes longer than most of them. */
import { inTurns } from '@worker-runtime/core/testing';
import test from 'ava';
import './adoption.test.ts';
import './contract.test.ts';
import './fake-pod.test.ts';
import './lifecycle.test.ts';
import './lost-link.test.ts';
import './pod-redactor.test.ts';
import './records.test.ts';
import './secrets.test.ts';
import './shared.test.ts';
import './stream-tracker.test.ts';

inTurns(test);
