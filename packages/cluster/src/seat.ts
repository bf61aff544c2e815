import type { Claimed, Service } from './service.ts';

/**
 * The state of a Runtime on a host that owns it. `opening`: its store opens. `serving`: it answers. `leaving`: it has ended in order
 * or is about to, and requests wait for the next host. `ended`: it answers nothing, and the next look decides what follows.
 */
export type SeatState = 'opening' | 'serving' | 'leaving' | 'ended';

/** A Runtime on a host that owns it, under one claim. */
export class Seat {
  readonly claimed: Claimed;
  readonly service: Service;
  /** The number of the last look that was sent before it. */
  readonly look: number;
  state: SeatState = 'opening';
  /** True from the beginning of its handover. */
  isHandedOver = false;

  constructor(claimed: Claimed, service: Service, look: number) {
    this.claimed = claimed;
    this.service = service;
    this.look = look;
  }

  /** Ends it at once. */
  fence(): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.service.fence();
  }
}
