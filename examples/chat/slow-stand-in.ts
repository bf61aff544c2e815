import { setTimeout } from 'node:timers/promises';
import { type ChatRequest, standIn } from '../companion/stand-in.ts';

const WORD_MS = 60;

/** Rolls a die if the message is about one, reports its result, or says what it is. */
const deltasFor = ({ messages }: ChatRequest): readonly object[] => {
  const last = messages.at(-1);
  if (last?.role === 'user' && /\bdi(c?e)\b/i.test(String(last.content)))
    return [
      { tool_calls: [{ index: 0, id: 'call_0', function: { name: 'roll_dice', arguments: '{"sides":6}' } }] },
    ];
  const text =
    last?.role === 'tool'
      ? `The die says: ${String(last.content)}`
      : 'I am a stand-in for a model. I say the same each time, slowly, so that you can reload the page in the middle of ' +
        'this sentence, open it in a second tab, or kill the server and start it again. Ask me to roll a die, too.';
  return text.split(/(?<= )/).map((content) => ({ content }));
};

/** The stand-in for a model that writes as slowly as one, for a person who tries the page. */
export const slowStandIn = () =>
  standIn(async function* (request) {
    for (const delta of deltasFor(request)) {
      await setTimeout(WORD_MS);
      yield delta;
    }
  });
