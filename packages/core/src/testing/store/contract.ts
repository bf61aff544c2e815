import type { Declare } from '../declare.ts';
import type { StoreCapability } from './harness.ts';
import type { StoreScene } from './scene.ts';

/**
 * Declares one test of the store contract. The test gets an open store at a location of its own. It is skipped if
 * `lacks` names the capability that it needs.
 */
export type Contract = Declare<StoreScene, StoreCapability>;
