import { bundleTests } from './api/bundles.ts';
import { capabilityTests } from './api/capabilities.ts';
import type { Contract } from './api/contract.ts';
import { creatingTests } from './api/creating.ts';
import { cursorTests } from './api/cursors.ts';
import type { LackingApiCapabilities, RuntimeApiHarness } from './api/harness.ts';
import { inputTests } from './api/inputs.ts';
import { listingTests } from './api/listing.ts';
import { observingTests } from './api/observing.ts';
import { readingTests } from './api/reading.ts';
import { refusingTests } from './api/refusing.ts';
import { requestTests } from './api/requests.ts';
import { restartingTests } from './api/restarting.ts';
import { Scene } from './api/scene.ts';
import { stoppingTests } from './api/stopping.ts';
import { waitingTests } from './api/waiting.ts';
import { watchingTests } from './api/watching.ts';
import { declareOn } from './declare.ts';
import type { TestFunction } from './store/harness.ts';

/**
 * Declares the contract of the public API as tests, with ava's `test`: what the embedded runtime, a client of a remote
 * one and a registry of many have in common. Each test asks for a harness of its own and disposes of it, so all of them
 * may run at once. Errors are told by their `code` alone.
 */
export const testRuntimeApi = (
  test: TestFunction,
  makeHarness: () => Promise<RuntimeApiHarness>,
  lacks: LackingApiCapabilities = {},
): void => {
  const contract: Contract = declareOn(test, lacks, async (t) => new Scene(t, await makeHarness()));
  creatingTests(contract);
  bundleTests(contract);
  listingTests(contract);
  inputTests(contract);
  waitingTests(contract);
  requestTests(contract);
  stoppingTests(contract);
  readingTests(contract);
  cursorTests(contract);
  observingTests(contract);
  watchingTests(contract);
  restartingTests(contract);
  capabilityTests(contract);
  refusingTests(contract);
};
