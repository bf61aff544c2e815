import type { Declare } from '../declare.ts';
import type { RuntimeApiCapability } from './harness.ts';
import type { Scene } from './scene.ts';

/**
 * Declares one test of the API contract. The test gets a running runtime of its own. It is skipped if `lacks` names the
 * capability that it needs.
 */
export type Contract = Declare<Scene, RuntimeApiCapability>;
