import { engine, inputText } from '@worker-runtime/core';

/**
 * Deletes files, but only if the Worker was granted the tool, and only after a person allowed the call. (It deletes
 * nothing: the result is made up.)
 */
export const clerk = engine(
  'clerk',
  async function* (run, worker) {
    const path = inputText(run.input);
    if (!worker.tools.includes('delete_file')) {
      yield { type: 'text', text: 'I have no tool for that.' };
      return;
    }
    const call = 'delete';
    yield [
      { type: 'text', text: `I would like to delete ${path}.` },
      { type: 'message' },
      { type: 'tool-call', call, name: 'delete_file', input: { path } },
    ];
    const { decision, by } = await run.ask({
      kind: 'permission',
      prompt: `Delete ${path}?`,
      call,
      options: ['allow', 'deny'],
      timeoutMs: 60_000,
    });
    if (decision === 'allow') yield { type: 'tool-result', call, output: 'deleted' };
    else yield { type: 'tool-result', call, error: `not allowed (${by})` };
    yield { type: 'text', text: decision === 'allow' ? 'Done.' : 'I leave it.' };
  },
  { placement: 'backendInternal', tools: ['delete_file'], requests: true },
);
