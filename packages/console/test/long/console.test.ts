/** The sizes and the times that are promised, and the combinations of width and color that `console.test.ts` leaves out. */

import { closeBrowser } from '@worker-runtime/test-environment/chromium';
import test from 'ava';
import { testClosing } from '../closing.ts';
import { testEndless } from '../endless.ts';
import { testLongLog, testLongMessage, testManyWorkers } from '../large.ts';
import { testLook } from '../look.ts';

test.after.always(closeBrowser);

testLook({ colorScheme: 'light', width: 320 });
testLook({ colorScheme: 'dark', width: 1_200 });
testClosing(1_000);
testManyWorkers(10_000);
testLongLog(100_000);
testLongMessage();
for (const view of ['Conversation', 'Events'] as const)
  for (const isAway of [true, false])
    testEndless({ view, isAway, messages: 100_000, chars: 100, limitMib: 40 });
