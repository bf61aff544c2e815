import type { Declare } from '../declare.ts';
import type { RuntimeApiCapability } from './harness.ts';
import type { Scene } from './scene.ts';

/**
 * Declares one test of the contract. It has a runtime of its own, and is skipped where the capability that it needs is
 * declared as lacking.
 */
export type Contract = Declare<Scene, RuntimeApiCapability>;
