/** One process and one browser for all tests: starting them takes longer than most tests do. */
import './truth.ts';
import './growing.ts';
import './together.ts';
import './harmless.ts';
import './steady.ts';
import './one-answer.ts';
import './notified.ts';
import './refusals.ts';
import './bounded.ts';
import './kept-texts.ts';
import './far-away.ts';
import './slow.ts';
import './everyone.ts';
import './unmoved.ts';
import './focus-kept.ts';
import './announced.ts';
import './usage.ts';
import './records.ts';
import './setup.ts';
import { testEndless } from './endless.ts';
import { testLongLog, testManyWorkers } from './large.ts';

testManyWorkers(1_000);
testLongLog(10_000);
testEndless({ view: 'Conversation', isAway: true, messages: 2_000, chars: 20_000, limitMib: 20 });
testEndless({ view: 'Events', isAway: false, messages: 2_000, chars: 20_000, limitMib: 20 });
