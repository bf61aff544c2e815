/** Workers as a person meets them, for the pictures of the documentation and for a look at the pages. */
import { fileURLToPath } from 'node:url';
import { memoryStore, Runtime } from '@worker-runtime/core';
import { type ScriptedEngine, scriptedEngine } from '@worker-runtime/core/testing';
import { http } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';
import type { ExecutionContext } from 'ava';
import { assets } from '../src/index.ts';

const REPORT = `I read the three changelogs and ran the migration on a copy of the database.

**The upgrade is safe with one change.** Version 5 refuses configuration keys that it does not know, and ours still has
\`legacyHeaders\`. Nothing else in the changelog affects us.

| step | time | result |
| --- | ---: | --- |
| copy of the database | 41 s | 2.1 GB |
| migration | 3 min | no warnings |
| tests against the copy | 96 s | 412 passed |

The change itself is one line:

\`\`\`ts
const server = createServer({
  timeoutMs: 30_000,
  // legacyHeaders: true, removed in version 5
});
\`\`\`

1. Remove the key and release it first. Version 4 ignores its absence.
2. Migrate on Sunday, when the queue is short.
3. Keep the copy for a week.`;

const THOUGHT =
  'The migration is described as compatible, but the changelog of 5.0 says that unknown keys are refused. I should look for keys of ours that are gone before I trust the test run.';

const call = (id: string, name: string, title: string, input: object, output: unknown) => [
  { type: 'tool-call' as const, call: id, name, title, input: input as never },
  { type: 'tool-result' as const, call: id, output: output as never },
];

const upgrade = [
  { type: 'reasoning' as const, text: THOUGHT },
  ...call(
    'read-1',
    'read_file',
    'Read CHANGELOG.md',
    { path: 'CHANGELOG.md' },
    '# 5.0.0\n\n- Unknown keys are refused\n',
  ),
  ...call('grep-1', 'search', 'Search for legacyHeaders', { pattern: 'legacyHeaders' }, ['src/server.ts:14']),
  ...call(
    'run-1',
    'run_tests',
    'Run the tests against the copy',
    { suite: 'all', database: 'copy' },
    '412 passed in 96 s',
  ),
  { type: 'text' as const, text: REPORT },
  { type: 'message' as const },
  { type: 'usage' as const, model: 'sonnet', inputTokens: 18_240, outputTokens: 1_312 },
];

const deploy = [
  {
    type: 'text' as const,
    text: 'The tests pass. The next step changes the production database, so I ask first.',
  },
  { type: 'message' as const },
  {
    type: 'tool-call' as const,
    call: 'migrate-1',
    name: 'migrate_database',
    title: 'Migrate orders-production to version 5',
    input: { database: 'orders-production', from: 4, to: 5, backup: '2026-11-28T06:00Z' } as never,
  },
  {
    type: 'ask' as const,
    question: {
      kind: 'permission' as const,
      prompt: 'Migrate orders-production from version 4 to 5? The last backup is from 06:00.',
      call: 'migrate-1',
      options: [
        { id: 'allow', label: 'Allow', kind: 'allow-once' as const },
        { id: 'deny', label: 'Deny', kind: 'reject-once' as const },
      ],
    },
  },
  { type: 'tool-result' as const, call: 'migrate-1', output: 'migrated' },
  { type: 'text' as const, text: 'Done.' },
  { type: 'message' as const },
];

const newsletter = [
  {
    type: 'ask' as const,
    question: {
      kind: 'question' as const,
      prompt: 'Two drafts are ready. Which subject line should the newsletter have?',
      options: [
        { id: 'short', label: 'What changed in November' },
        { id: 'long', label: 'Faster search, and a quieter inbox' },
      ],
    },
  },
];

const working = [
  { type: 'reasoning' as const, text: 'The failing test depends on the time zone of the machine.' },
  ...call(
    'read-2',
    'read_file',
    'Read test/calendar.test.ts',
    { path: 'test/calendar.test.ts' },
    'import test …',
  ),
  {
    type: 'text' as const,
    text: 'The test compares local midnight with midnight in UTC, so it fails after 22:00 in',
  },
  { type: 'gate' as const, gate: 'never' },
];

const failing = [
  { type: 'text' as const, text: 'I try the third mirror.' },
  { type: 'message' as const },
  {
    type: 'tool-call' as const,
    call: 'fetch-1',
    name: 'fetch',
    title: 'Fetch the index',
    input: { url: 'https://mirror.example/index' } as never,
  },
  { type: 'tool-result' as const, call: 'fetch-1', error: 'The host does not answer' },
  { type: 'throw' as const, error: new Error('no mirror answers') },
];

const short = (text: string) => [
  { type: 'text' as const, text },
  { type: 'message' as const },
  { type: 'usage' as const, model: 'haiku', inputTokens: 820, outputTokens: 96 },
];

export const script = {
  'Is the upgrade to version 5 safe?': upgrade,
  'Then migrate production.': deploy,
  'Prepare the newsletter.': newsletter,
  'Why does the calendar test fail at night?': working,
  'Mirror the package index.': failing,
  'Sort the tickets of today.': short(
    '41 tickets sorted: 6 urgent, 12 duplicates. The urgent ones are assigned.',
  ),
  'Translate the release notes.': short('The release notes are translated to German, French and Japanese.'),
};

const WORKERS = [
  ['upgrade', 'Upgrade of the order service', { team: 'platform', repo: 'orders' }],
  ['newsletter', 'Newsletter', { team: 'marketing' }],
  ['calendar', 'Calendar tests', { team: 'platform', repo: 'calendar' }],
  ['mirror', 'Package mirror', { team: 'platform' }],
  ['tickets', 'Ticket triage', { team: 'support', schedule: 'daily' }],
  ['notes', 'Release notes', { team: 'docs' }],
  ['docs', 'Documentation search', { team: 'docs' }],
  ['prices', 'Price watch', { team: 'sales', schedule: 'hourly' }],
  ['invoices', 'Invoice reader', { team: 'finance' }],
  ['archive', 'Archive of 2025', { team: 'support' }],
] as const;

export interface Scene {
  readonly url: string;
  readonly runtime: Runtime;
  readonly engine: ScriptedEngine;
}

/** Starts a served runtime with the console and without Workers. */
export const startScene = async (port = 0): Promise<Scene> => {
  const engine = scriptedEngine(script, {
    name: 'assistant',
    capabilities: {
      requests: true,
      forks: true,
      tools: ['read_file', 'search', 'run_tests', 'migrate_database', 'fetch'],
    },
  });
  const prices = {
    currency: 'USD',
    models: { sonnet: { input: 3, output: 15, cacheRead: 0.3 }, haiku: { input: 1, output: 5 } },
  };
  const web = http({ port, console: fileURLToPath(assets), prices });
  const runtime = new Runtime({
    displayName: 'studio',
    plugins: [
      web,
      wsObservation({ on: web }),
      {
        name: 'scene',
        apply: (host) => {
          host.useStore(memoryStore());
          host.useEngine(engine);
        },
      },
    ],
  });
  await runtime.start();
  return { url: web.url, runtime, engine };
};

/** Creates the Workers and lets them work. */
export const populate = async ({ runtime }: Scene): Promise<void> => {
  for (const [workerId, displayName, labels] of WORKERS.toReversed())
    await runtime.createWorker({
      engine: 'assistant',
      workerId,
      displayName,
      labels,
      tools: ['read_file', 'search', 'run_tests'],
    });
  const say = async (workerId: string, text: string) => {
    await runtime.sendInput(workerId, { text }, { waitMs: 2_000 });
  };
  await say('tickets', 'Sort the tickets of today.');
  await say('notes', 'Translate the release notes.');
  await say('prices', 'Sort the tickets of today.');
  await say('mirror', 'Mirror the package index.');
  await say('upgrade', 'Is the upgrade to version 5 safe?');
  await say('upgrade', 'Then migrate production.');
  await runtime.sendInput('newsletter', { text: 'Prepare the newsletter.' });
  await runtime.sendInput('calendar', { text: 'Why does the calendar test fail at night?' });
  await runtime.stopWorker('archive');
};

/** Starts a scene with its Workers, which ends with the test. */
export const servePopulated = async (
  t: ExecutionContext,
): Promise<Scene & { readonly runtimeId: string }> => {
  const scene = await startScene();
  t.teardown(() => scene.runtime.stop({ deadlineMs: 2_000 }));
  await populate(scene);
  return { ...scene, runtimeId: (await scene.runtime.summary()).runtimeId };
};
