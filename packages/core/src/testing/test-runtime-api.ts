import { bundleTests } from './api/bundles.ts';
import { capabilityTests } from './api/capabilities.ts';
import type { Contract } from './api/contract.ts';
import { creatingTests } from './api/creating.ts';
import { cursorTests } from './api/cursors.ts';
import { fileTests } from './api/files.ts';
import { forkingTests } from './api/forking.ts';
import type { LackingApiCapabilities, RuntimeApiHarness } from './api/harness.ts';
import { historyTests } from './api/history.ts';
import { inputTests } from './api/inputs.ts';
import { listingTests } from './api/listing.ts';
import { observingTests } from './api/observing.ts';
import { readingTests } from './api/reading.ts';
import { refusingTests } from './api/refusing.ts';
import { requestTests } from './api/requests.ts';
import { restartingTests } from './api/restarting.ts';
import { Scene } from './api/scene.ts';
import { stoppingTests } from './api/stopping.ts';
import { updatingTests } from './api/updating.ts';
import { usageTests } from './api/usage.ts';
import { waitingTests } from './api/waiting.ts';
import { waitsTests } from './api/waits.ts';
import { watchingTests } from './api/watching.ts';
import { declareOn } from './declare.ts';
import type { TestFunction } from './store/harness.ts';
import { Turns } from './turns.ts';

/** How many harnesses exist at once. A harness may be a server with stores on disk. */
const AT_ONCE = 8;

/**
 * Declares the contract of `RuntimeApi` as tests. The embedded runtime and every client of a remote runtime call it in
 * a test file, with ava's `test` or a function of the same shape.
 *
 * Each test calls `makeHarness` once and disposes of the harness afterwards, so the tests may run concurrently; at
 * most eight do. The tests identify errors by `code` alone, never by class or message.
 *
 * `lacks` gives, for each capability that the harness does not have, the reason. The tests that need that capability
 * are skipped, with the reason in their titles.
 * @example
 * testRuntimeApi(test, async () => {
 *   const server = await startServer();
 *   return { api: connect(server.url), engine: server.engine, dispose: () => server.stop() };
 * }, { restart: 'the server is shared', kill: 'the server is shared' });
 */
export const testRuntimeApi = (
  test: TestFunction,
  makeHarness: () => Promise<RuntimeApiHarness>,
  lacks: LackingApiCapabilities = {},
): void => {
  const turns = new Turns(AT_ONCE);
  const contract: Contract = declareOn(test, lacks, async (t) => {
    // teardowns run in reverse order: the turn ends after the harness is disposed of
    const endTurn = await turns.take();
    t.teardown(async () => endTurn());
    return new Scene(t, await makeHarness());
  });
  creatingTests(contract);
  bundleTests(contract);
  listingTests(contract);
  inputTests(contract);
  fileTests(contract);
  waitingTests(contract);
  updatingTests(contract);
  forkingTests(contract);
  requestTests(contract);
  stoppingTests(contract);
  readingTests(contract);
  usageTests(contract);
  cursorTests(contract);
  observingTests(contract);
  waitsTests(contract);
  watchingTests(contract);
  restartingTests(contract);
  historyTests(contract);
  capabilityTests(contract);
  refusingTests(contract);
};
