import type { Declare } from '../declare.ts';
import type { StoreCapability } from './harness.ts';
import type { Place } from './place.ts';

/**
 * Declares one test of the contract. It runs on a place of its own, where a store is open, and is skipped where the
 * capability that it needs is declared as lacking.
 */
export type Contract = Declare<Place, StoreCapability>;
