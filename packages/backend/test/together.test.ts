/** The tests of this folder in one process, because its start takes longer than most of them. */
import { inTurns } from '@worker-runtime/core/testing';
import test from 'ava';
import './client-address.test.ts';
import './companion.test.ts';
import './config.test.ts';
import './devices.test.ts';
import './document.test.ts';
import './facades.test.ts';
import './mounts.test.ts';
import './nginx.test.ts';
import './oidc.test.ts';
import './own-page.test.ts';
import './pages.test.ts';
import './people.test.ts';
import './policy.test.ts';
import './remotes.test.ts';
import './workspaces.test.ts';

inTurns(test);
