/** The tests of this folder in one process, because its start takes longer than most of them. */
import { inTurns } from '@worker-runtime/core/testing';
import test from 'ava';
import './accept.test.ts';
import './access.test.ts';
import './archives.test.ts';
import './console.test.ts';
import './contract.test.ts';
import './embedder.test.ts';
import './ended-authority.test.ts';
import './files.test.ts';
import './half-closed.test.ts';
import './hostile.test.ts';
import './issuers.test.ts';
import './mount.test.ts';
import './page.test.ts';
import './problem.test.ts';
import './routes.test.ts';
import './scopes.test.ts';
import './several.test.ts';
import './starting.test.ts';
import './streams.test.ts';
import './traffic.test.ts';

inTurns(test);
